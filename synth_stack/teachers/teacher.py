"""What a teacher's tokens cost."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Price(BaseModel):
    """The price of a million tokens, in and out; nothing is converted between currencies."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
    input_per_million: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    output_per_million: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"

    def cost_of(self, input_tokens: int, output_tokens: int) -> float:
        """What so many tokens cost, in `currency`."""
        return (input_tokens * self.input_per_million + output_tokens * self.output_per_million) / 1e6
