import pytest

from synth_stack.gates.personal_data.kinds import Finder, Kind

FINDER = Finder(("US", "GB", "DE"))


def find(content: str) -> list[tuple[str, str]]:
    kinds: list[Kind] = ["name", "mention", "birth_date"]
    return [(f.kind, content[f.start : f.end]) for f in FINDER.find(content, "", kinds)]


@pytest.mark.parametrize(
    ("content", "kind", "value"),
    [
        ("Hello, my name is Katharina Vogelsang and I am late.", "name", "Katharina Vogelsang"),
        ("Mein Name ist Jürgen von der Heide.", "name", "Jürgen von der Heide"),
        ("my name is lena andersson, block my card", "name", "lena"),
        ("Patient: Élodie Moreau", "name", "Élodie Moreau"),
        ("Dear Marieke,\nthe parcel left.", "name", "Marieke"),
        ("Kind regards,\nCallum Okafor", "name", "Callum Okafor"),
        ("I met Wojciech Wrona yesterday.", "mention", "Wojciech Wrona"),
        ("Then Agnieszka's cat ran away.", "mention", "Agnieszka"),
        ("Ask Dr. Braithwaite about it.", "mention", "Braithwaite"),
        ("Yesterday Rose Hartwell called.", "mention", "Rose Hartwell"),
        ("It was sent to Mijail C Adomo on Friday.", "mention", "Mijail C Adomo"),
        ("Then Bekbolat R. Kishiev rang.", "mention", "Bekbolat R. Kishiev"),
        ("Tosh Ravnsborg lives at number nine.", "mention", "Tosh Ravnsborg"),
        ("The ship was named Brosca Erdos then.", "mention", "Brosca Erdos"),
        ("My date of birth is 12.03.1985.", "birth_date", "12.03.1985"),
        ("DOB: 1985-03-12", "birth_date", "1985-03-12"),
        ("I was born on March 12, 1985 in a small town.", "birth_date", "March 12, 1985"),
        ("Geburtsdatum: 12. März 1985", "birth_date", "12. März 1985"),
    ],
)
def test_names_and_dates_of_birth_are_found_as_people_write_them(content: str, kind: str, value: str) -> None:
    assert (kind, value) in find(content)


@pytest.mark.parametrize(
    "content",
    [
        "The rose is red and the mark is high. Will you come in May or in August?",
        "Table Name: Products\nColumn Name: Price",
        "Dear Customer,\nDear Sir or Madam,\nHi there, hello World",
        "They moved to the Thames and to Charlotte Street near Victoria Station.",
        "JOHN is a variable.\n```\nAnna = Person('Anna Keller')\n```",
        "The contract was signed on 12.03.1985; version 2026-01-02.",
        "Vitamin C Deficiency and Hepatitis B Virus are in Appendix A Table 2.",
        "The Riverbank Hotel lives from guests; it is called Riverbank Hotel.",
        "",
    ],
)
def test_words_that_are_names_too_and_other_dates_pass(content: str) -> None:
    assert find(content) == []


def test_a_surname_is_found_again_where_it_stands_alone() -> None:
    text = "Maciej Borkowski made it, and starring was Borkowski."
    assert [value for _, value in find(text)].count("Borkowski") == 1
    assert find("It was Borkowski.") == []
