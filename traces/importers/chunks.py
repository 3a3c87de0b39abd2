"""Blocks of a file as tables: parsed in parallel, named columns, each number checked."""

import csv
import difflib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NoReturn, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
from msgspec import Struct

from traces.importers.quantities import Quantity
from traces.importers.source import Block, SourceFile

AHEAD = 3
"""Blocks that are parsed before they are asked for: what bounds the memory."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Chunk:
    """Rows of a file, as Arrow parsed them."""

    def __init__(
        self, source: SourceFile, block: Block, table: pa.Table, others: Sequence[str] = ()
    ) -> None:
        """The rows of one block; `others` are its lines of another number of columns."""
        self.source, self.block, self.table, self.others = source, block, table, others

    def __len__(self) -> int:
        rows: int = self.table.num_rows
        return rows

    def text(self, column: str) -> pa.Array:
        """A column of strings."""
        return _one(self.table[column])

    def integers(self, column: str) -> np.ndarray:
        """A column of whole numbers; an empty cell is an error."""
        data = _one(self.table[column])
        if data.null_count:
            empty = int(np.flatnonzero(data.is_null().to_numpy(zero_copy_only=False))[0])
            self.fail(empty, column, "must be a whole number (got nothing)")
        values: np.ndarray = data.to_numpy()
        return values

    def raw(self, column: str) -> np.ndarray:
        """A column of numbers as they stand there; NaN where a cell is empty."""
        values: np.ndarray = _one(self.table[column]).to_numpy(zero_copy_only=False)
        return values

    def number(self, column: str, quantity: Quantity, *, may_be_empty: bool = False) -> np.ndarray:
        """A column of numbers in SI units; raises InvalidInput for the first that cannot be."""
        values = self.raw(column)
        good = (values >= quantity.low) & (values <= quantity.high)
        if may_be_empty:
            good |= np.isnan(values)
        self.require(good, column, lambda row: quantity.requirement(float(values[row])))
        return values if quantity.scale == 1 else values * quantity.scale

    def checked(self, column: str, quantity: Quantity) -> np.ndarray:
        """A column of numbers in SI units that `number` has let pass before."""
        values = self.raw(column)
        return values if quantity.scale == 1 else values * quantity.scale

    def require(self, good: np.ndarray, column: str, problem: Callable[[int], str]) -> None:
        """Raise InvalidInput for the first row that is not `good`."""
        if not good.all():
            row = int(np.argmin(good))
            self.fail(row, column, problem(row))

    def fail(self, row: int, column: str, problem: str) -> NoReturn:
        """Raise InvalidInput for a cell."""
        self.source.fail(problem, line=self.line_of(row), column=column)

    def line_of(self, row: int) -> int:
        """The number of a row's line in the file."""
        if len(self) == self.block.lines:
            return self.block.line + row
        if not self.others:
            return self.block.line_of(row)
        return self.block.line_of(row, leaving_out=frozenset(one.strip() for one in self.others))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


class Format(Struct, frozen=True, kw_only=True):
    """How lines become columns: the names in order, the types of those to keep, the delimiter.

    `skip_lines` stand before the rows, `clean` prepares a block's bytes and leaves its lines where
    they are, `null_values` are cells that hold nothing. With `collects_others`, lines of another
    number of columns are no error: `Chunk.others` has them.
    """

    names: Sequence[str]
    types: Mapping[str, pa.DataType]
    delimiter: str
    skip_lines: int = 1
    clean: Callable[[bytes], bytes] | None = None
    null_values: tuple[str, ...] = ("",)
    collects_others: bool = False


def header(source: SourceFile, delimiter: str) -> list[str]:
    """The names of the columns, which are in the first line."""
    first = source.head()[0]
    return [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]


def check_names(source: SourceFile, names: Sequence[str], needed: Iterable[str]) -> None:
    """Raise InvalidInput where a needed column is not there, or is there twice."""
    for name in needed:
        count = names.count(name)
        if count > 1:
            source.fail(f"must be there once (got {count})", column=name)
        if count == 0:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            got = f"got {near[0]!r}" if near else f"got {', '.join(names)[:200]!r}"
            source.fail(f"must be there, under this name ({got})", column=name)


def chunks(
    source: SourceFile, format_: Format, *, ahead: int = AHEAD, block_bytes: int | None = None
) -> Iterator[Chunk]:
    """The file's rows, chunk by chunk; raises InvalidInput for what is no such row.

    `ahead` chunks of about `block_bytes` are parsed before they are asked for.
    """

    def parse(block: Block) -> Chunk:
        text = block.text if format_.clean is None else format_.clean(block.text)
        if not text or text.isspace():
            empty = pa.table({n: pa.array([], t) for n, t in format_.types.items()})
            return Chunk(source, block, empty)
        cleaned = Block(text, block.line, block.lines)
        others: list[str] = []
        try:
            return Chunk(source, cleaned, _parse(text, format_, others), others)
        except pa.ArrowInvalid as error:
            _explain(source, cleaned, format_, str(error))

    yield from ordered(
        parse, _without_header(source.blocks(block_bytes), format_.skip_lines), ahead
    )


def _without_header(blocks: Iterable[Block], skip: int) -> Iterator[Block]:
    for block in blocks:
        if block.line > 1:
            yield block
            continue
        start = 0
        for _ in range(skip):
            start = block.text.find(b"\n", start) + 1
        if start < len(block.text):
            yield Block(block.text[start:], 1 + skip, block.lines - skip)


def ordered(
    function: Callable[[_Item], _Result], items: Iterable[_Item], ahead: int, *, threads: int = 2
) -> Iterator[_Result]:
    """The results in order, computed ahead in other threads."""
    with ThreadPoolExecutor(max_workers=threads) as pool:
        waiting: deque[Future[_Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _parse(text: bytes, format_: Format, others: list[str]) -> pa.Table:
    def collect(row: pc.InvalidRow) -> str:
        others.append(row.text)
        return "skip"

    return pc.read_csv(
        pa.BufferReader(text),
        read_options=pc.ReadOptions(
            column_names=list(format_.names), use_threads=False, block_size=len(text) + 1
        ),
        parse_options=pc.ParseOptions(
            delimiter=format_.delimiter,
            invalid_row_handler=collect if format_.collects_others else None,
        ),
        convert_options=pc.ConvertOptions(
            column_types=dict(format_.types),
            include_columns=list(format_.types),
            null_values=list(format_.null_values),
            strings_can_be_null=False,
        ),
    )


def _explain(source: SourceFile, block: Block, format_: Format, reason: str) -> NoReturn:
    """Raise InvalidInput for the first line that is no row, found by looking at each."""
    for number, raw in enumerate(block.text.splitlines(), block.line):
        if not raw.strip():
            continue
        try:
            line = str(raw, "utf-8")
        except UnicodeDecodeError as error:
            source.fail(f"must be text in UTF-8 ({error.reason})", line=number)
        cells = next(csv.reader([line], delimiter=format_.delimiter), [])
        if len(cells) != len(format_.names) and not format_.collects_others:
            source.fail(f"must have {len(format_.names)} columns (got {len(cells)})", line=number)
        for name, cell in zip(format_.names, cells, strict=False):
            if cell in format_.null_values:
                continue
            problem = _cell_problem(cell.strip(), format_.types.get(name))
            if problem:
                source.fail(f"{problem} (got {cell[:40]!r})", line=number, column=name)
    source.fail(f"must be rows of this format ({reason.splitlines()[0]})", line=block.line)


def _cell_problem(cell: str, type_: pa.DataType | None) -> str | None:
    if type_ is None or pa.types.is_string(type_) or pa.types.is_dictionary(type_) or not cell:
        return None
    try:
        (int if pa.types.is_integer(type_) else float)(cell)
    except ValueError:
        return f"must be a {'whole number' if pa.types.is_integer(type_) else 'number'}"
    return None
