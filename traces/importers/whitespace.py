"""Rows whose cells are separated by any white space."""


def single_spaces(text: bytes) -> bytes:
    r"""Rows with one space between cells, each on the line where it was.

    >>> single_spaces(b"1\t2  3 \n4 5\t6\n")
    b'1 2 3\n4 5 6\n'
    """
    text = text.replace(b"\t", b" ").replace(b"\r\n", b"\n")
    if b"  " in text or b" \n" in text or b"\n " in text or text.startswith(b" "):
        return b"\n".join(b" ".join(line.split()) for line in text.split(b"\n"))
    return text
