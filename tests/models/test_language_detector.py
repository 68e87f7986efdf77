import pytest

from synth_stack.errors import ModelError
from synth_stack.models.language_detector import UNKNOWN, fold_code, load_detector

ENGLISH = "Most of the people who live near the station would rather walk than wait for the next bus."
GERMAN = "Die meisten, die in der Nähe des Bahnhofs wohnen, gehen lieber zu Fuß, als auf den Bus zu warten."
WELSH = "Mae'r rhan fwyaf o'r bobl sy'n byw ger yr orsaf yn cerdded yn hytrach nag aros am y bws nesaf."


def test_a_text_is_told_from_those_of_other_languages() -> None:
    detector = load_detector(["en", "fr"])
    assert detector.look([ENGLISH, GERMAN, "12 + 7"]) == ["en", "de", UNKNOWN]
    english, german, numbers = detector.measure([ENGLISH, GERMAN, "12 + 7"])
    assert (english.language, german.language) == ("en", "de")
    assert english.strangeness is not None
    assert german.strangeness is not None
    assert english.strangeness <= 0.5
    assert 0.6 <= german.strangeness <= 1
    assert numbers.strangeness is None


def test_fewer_languages_may_be_asked_for_than_the_detector_has() -> None:
    detector = load_detector(["en", "de"])
    [wanted], [strange] = detector.measure([GERMAN]), detector.measure([GERMAN], frozenset({"en"}))
    assert wanted.strangeness is not None
    assert strange.strangeness is not None
    assert wanted.strangeness <= 0.5 < strange.strangeness


@pytest.mark.parametrize(
    ("code", "known"), [("nb", "no"), ("id", "ms"), ("fil", "tl"), ("de", "de"), ("cy", "cy")]
)
def test_codes_of_one_language_are_folded(code: str, known: str) -> None:
    assert fold_code(code) == known


def test_a_language_that_eldc_does_not_know_is_asked_of_the_other_model() -> None:
    detector = load_detector(["cy"])
    welsh, german = detector.measure([WELSH, GERMAN])
    assert welsh.strangeness is None or welsh.strangeness < 0.6
    assert german.strangeness is not None
    assert german.strangeness > 0.6


def test_a_code_that_neither_model_knows_is_refused() -> None:
    with pytest.raises(ModelError, match="seen: xq"):
        load_detector(["en", "xq"])


def test_a_text_of_another_script_is_strange_though_its_language_is_in_doubt() -> None:
    hindi = "अधिकांश निवासियों का मानना है कि नई लाइन से शहर के केंद्र तक पहुँचना आसान होगा।"
    [guess] = load_detector(["en"]).measure([hindi])
    assert guess.strangeness == 1.0
    [wanted] = load_detector(["hi"]).measure([hindi])
    assert wanted.strangeness is None or wanted.strangeness <= 0.5
