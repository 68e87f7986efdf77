import pytest

from synth_stack.gates.personal_data.surroundings import Surroundings

MARK = "@@"


def tell(text: str) -> str:
    start = text.index(MARK)
    return Surroundings(text).tell(start, start + len(MARK))


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("Please call me on @@ after six; I am at work before.", "prose"),
        ("Your name(s) and client(e): @@", "prose"),
        ("| Anna | @@ | Berlin |", "prose"),
        ("```\nx\n```\nCall @@ please", "prose"),
        ("Call 1 or 2: @@, or 3", "prose"),
        ("```\nsend @@ now\n```", "code"),
        ("> ```\n> send @@", "code"),
        ("run `send @@` twice", "code"),
        ("x = @@", "code"),
        ("return f(@@);", "code"),
        ('print("@@")', "code"),
        ("SELECT * FROM t WHERE id = @@", "code"),
        ("03-17 16:13:38.811  1702  2395 D WindowManager: @@", "log"),
        ("[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok @@", "log"),
        ("081109 203615 148 INFO dfs.DataNode: @@", "log"),
        ("2015-10-18 18:01:47,978 INFO [main] o.a.h: @@", "log"),
        ("20171223-22:15:29:606|Step_LSC|30002312|@@", "log"),
        ("sshd[24200]: Invalid user @@", "log"),
        ("- 1131566461 2005.11.09 dn228 Nov 9 12:01:01 dn228/dn228 @@", "log"),
        ("nova [req-1] uid=0, gid=@@, euid=0, pid=1", "log"),
        ("2015-10-18 18:01:47,978 ERROR failed\n    at @@", "log"),
        ('{"a": "@@"}', "data"),
        ('It said {"a": 1, "b": "@@"}.', "data"),
        ("1 2 @@ 3 4 5 6", "data"),
    ],
)
def test_a_place_is_told_by_its_line_and_its_fences(text: str, setting: str) -> None:
    assert tell(text) == setting


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("| name | phone |\n|---|---|\n| Anna | @@ |", "phone"),
        ("name\tphone\nAnna\t@@", "phone"),
        ("| Anna 1 | 7 |\n| Bob | @@ |", ""),
        ("\tindented @@", ""),
        ("no table @@", ""),
    ],
)
def test_the_head_of_a_column_is_that_of_its_table(text: str, head: str) -> None:
    assert Surroundings(text).read_header(text.index(MARK)) == head


def test_a_line_of_a_megabyte_is_read_around_the_place_alone() -> None:
    text = "a " * 500_000 + f"call {MARK} " + "b " * 500_000
    before, after = Surroundings(text).read_line(text.index(MARK), text.index(MARK) + len(MARK))
    assert (len(before), len(after)) == (401, 400)
