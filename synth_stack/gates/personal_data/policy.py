"""What becomes of a row: an action by kind and locale, the gravest first; code and logs are left as they
are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from synth_stack.gates.gate import Dial
from synth_stack.gates.personal_data.kinds import KINDS, Kind
from synth_stack.gates.personal_data.search import Found
from synth_stack.gates.personal_data.surroundings import Setting

Action = Literal["reject", "hold", "redact", "ignore"]
_GRAVITY: tuple[Action, ...] = ("reject", "hold", "redact", "ignore")


class Actions(BaseModel):
    """What becomes of a row with a value of each kind.

    A value whose check digits are right (card, IBAN, identity number, key) was copied or remembered from
    somewhere, and the rest of that row may have been too: reject. What only reaches a person is taken out,
    and the row stays useful: redact. Mailboxes of a desk, lines that no person can have (0800, a
    restaurant's) and where a business stands are not personal data (Regulation (EU) 2016/679, recital 14):
    ignore. Names, and dates of birth, cannot be told from those of public and invented persons: ignore, but
    where a data set is about private persons.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    email: Action = "redact"
    phone: Action = "redact"
    address: Action = "redact"
    ip: Action = "redact"
    card: Action = "reject"
    iban: Action = "reject"
    national_id: Action = "reject"
    secret: Action = "reject"  # noqa: S105  (the kind of value, and no value)
    role_email: Action = "ignore"
    place: Action = "ignore"
    hotline: Action = "ignore"
    birth_date: Action = "ignore"
    name: Action = "ignore"
    mention: Action = "ignore"


_DEAR: tuple[Kind, ...] = ("birth_date", "name", "mention")
"""Looked for only where something is done about them: names are looked up word by word."""


@dataclass(frozen=True, slots=True)
class RowEnd:
    """What becomes of a row: its gravest action, for which kind, and its kinds by what is done about them.

    `settings` are those besides prose in which a value stands that would be redacted there.
    """

    action: Action
    gravest: Kind | None
    counted: tuple[Kind, ...]
    taken: frozenset[Kind]
    ignored: frozenset[Kind]
    settings: tuple[Setting, ...]

    @property
    def reason_class(self) -> str | None:
        """Null where nothing is done."""
        return None if self.gravest is None else _name_class(self.gravest)

    @property
    def outcome(self) -> str:
        """The verdict's outcome; a row that is redacted is rejected, since its copy stands for it."""
        return {"redact": "reject", "ignore": "accept"}.get(self.action, self.action)


@dataclass(frozen=True, slots=True)
class ActionPolicy:
    """Actions by kind, and what the rows of a locale have of their own."""

    actions: Mapping[Kind, Action]
    by_locale: Mapping[str, Mapping[Kind, Action]]

    @property
    def redacts(self) -> bool:
        return any("redact" in actions.values() for actions in (self.actions, *self.by_locale.values()))

    @property
    def acted(self) -> tuple[Kind, ...]:
        """The kinds that something is done about in the rows of some locale."""
        policies = (self.actions, *self.by_locale.values())
        return tuple(
            kind for kind in KINDS if any(actions.get(kind, "ignore") != "ignore" for actions in policies)
        )

    def acts(self, kind: Kind, locale: str | None) -> bool:
        """Whether something is done about a kind in the rows of a locale."""
        return self._find_actions(locale)[kind] != "ignore"

    @property
    def sought(self) -> frozenset[Kind]:
        """The kinds that are looked for."""
        return frozenset(kind for kind in KINDS if kind not in _DEAR or kind in self.acted)

    def settle(self, found: Sequence[Found], locale: str | None) -> RowEnd:
        """What becomes of a row of `locale` in which these values stand."""
        actions = self._find_actions(locale)
        settings = {
            one.value.setting for one in found if actions[one.value.kind] == "redact" and not one.is_in_prose
        }
        if settings:
            actions = {kind: "hold" if action == "redact" else action for kind, action in actions.items()}
        kinds = {one.value.kind for one in found}
        counted = tuple(kind for kind in KINDS if kind in kinds and actions[kind] != "ignore")
        gravest = min(counted, key=lambda kind: _GRAVITY.index(actions[kind]), default=None)
        action = "ignore" if gravest is None else actions[gravest]
        # no copy is made of a row that is rejected or held for another kind
        taken = frozenset(kind for kind in counted if action == actions[kind] == "redact")
        ignored = frozenset(kind for kind in KINDS if actions[kind] == "ignore")
        return RowEnd(action, gravest, counted, taken, ignored, tuple(sorted(settings)))

    def _find_actions(self, locale: str | None) -> dict[Kind, Action]:
        name = (locale or "").replace("_", "-")
        return {
            **self.actions,
            **self.by_locale.get(name.partition("-")[0], {}),
            **self.by_locale.get(name, {}),
        }

    def list_dials(self) -> tuple[Dial, ...]:
        """One for each kind, the gravest action first: whether a row has a value of it, and what that means.

        None where locales have actions of their own: what then becomes of a row depends on its locale.
        """
        if self.by_locale:
            return ()
        sought = [kind for kind in KINDS if kind in self.sought]
        kinds = sorted(sought, key=lambda kind: _GRAVITY.index(self.actions[kind]))
        return tuple(
            Dial(1, ">=", (_name_class(kind),), score=f"counts.{kind}", outcome=f"kinds.{kind}")
            for kind in kinds
        )


def _name_class(kind: Kind) -> str:
    return f"personal_data.{kind}"
