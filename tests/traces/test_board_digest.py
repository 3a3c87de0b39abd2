"""Recordings and policies name their board by a digest: it must not move by itself."""

from platforms.board_file import load_board, shipped_boards
from traces.schema import board_digest


def test_the_digests_that_recordings_and_policies_carry_stay_what_they_were() -> None:
    """What a board file may say beside must not make another board of one that does not say it."""
    assert {
        "hikey960": "d34f86c781fb50eb7b84cff5662eb6f1fcc0a589655f92327d482f4aeb9bb350",
        "hikey970": "9f46862425492fb93dc99f16cdcb652ae522a0424df795462ad2dcb9e81a32ee",
        "odroid-xu3": "78474d764d3687206c19d35c1047a7b686de52f3e65fb3433887355ab7a87542",
        "rk3588": "0203af5828ff98ef85d7b14b107be775463ebc7189e174f8f629f9d4463611b5",
    }.items() <= {name: board_digest(load_board(name)) for name in shipped_boards()}.items()
