"""A column as it was written in, a column as it is meant out, and which cells mean nothing.

Works on whole columns; only values that occur, each once, become Python objects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

Mask: TypeAlias = npt.NDArray[np.bool_]
Understood: TypeAlias = tuple[pa.ChunkedArray, Mask]
"""The column, and where a cell could not be understood (and is null)."""

EXACT_FLOAT = float(2**53)
"""Up to here a float that is whole is one whole number and no other."""
TEXT_KINDS = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
BINARY_KINDS = (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view)
FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class WrongType(Exception):
    """The column's type can hold nothing of what is meant."""


def text(column: pa.ChunkedArray) -> Understood:
    """Any text; what is blank is absent."""
    plain = _plain(column)
    if kinds.is_null(plain.type):
        return _nulls(pa.large_string(), len(plain)), _none_bad(plain)
    if not (_is_text(plain.type) or _is_binary(plain.type)):
        raise WrongType("text")
    decoded, bad = _decode(plain)
    blank = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(decoded)), 0)
    return pc.if_else(blank, pa.scalar(None, pa.large_string()), decoded), bad


def trimmed(column: pa.ChunkedArray) -> Understood:
    """Text whose outer spaces mean nothing: addresses, names of providers."""
    decoded, bad = text(column)
    return pc.utf8_trim_whitespace(decoded), bad


def ident(column: pa.ChunkedArray) -> Understood:
    """An id: text exactly as written, or a whole number written out: 7 and 7.0 are `7`."""
    plain = _plain(column)
    if kinds.is_integer(plain.type):
        return pc.cast(plain, pa.large_string()), _none_bad(plain)
    if kinds.is_floating(plain.type):
        return _whole(pc.cast(plain, pa.float64()))
    if kinds.is_decimal(plain.type):
        return by_value(plain, lambda value: str(int(value)) if value == int(value) else None)
    try:
        return text(plain)
    except WrongType:
        raise WrongType("text or whole numbers") from None


def flag(column: pa.ChunkedArray) -> Understood:
    """Yes or no, however it is usually written."""
    plain = _plain(column)
    if kinds.is_boolean(plain.type):
        return plain, _none_bad(plain)
    if kinds.is_floating(plain.type) or kinds.is_integer(plain.type):
        return by_value(wish(plain)[0], {0: False, 1: True}.get, pa.bool_())
    try:
        decoded, bad = text(plain)
    except WrongType:
        raise WrongType("true or false") from None
    flags, odd = by_value(decoded, lambda value: FLAGS.get(value.strip().lower()), pa.bool_())
    return flags, bad | odd


def wish(column: pa.ChunkedArray) -> Understood:
    """An option: text, a number or a flag. The vendor's model says whether it is a good one."""
    plain = _plain(column)
    if kinds.is_floating(plain.type):
        return pc.if_else(pc.is_nan(plain), pa.scalar(None, plain.type), plain), _none_bad(plain)
    if kinds.is_boolean(plain.type) or kinds.is_integer(plain.type) or kinds.is_decimal(plain.type):
        return plain, _none_bad(plain)
    try:
        return text(plain)
    except WrongType:
        raise WrongType("text, numbers or flags") from None


def tags(column: pa.ChunkedArray) -> Understood:
    """Several texts in a cell: a list, or one text with commas between them."""
    plain = _plain(column)
    wanted = pa.list_(pa.large_string())
    if kinds.is_list(plain.type) or kinds.is_large_list(plain.type):
        if not (_is_text(plain.type.value_type) or kinds.is_null(plain.type.value_type)):
            raise WrongType("a list of texts, or text with commas")
        return pc.cast(plain, wanted), _none_bad(plain)
    try:
        decoded, bad = text(plain)
    except WrongType:
        raise WrongType("a list of texts, or text with commas") from None
    split, _ = by_value(decoded, lambda value: value.replace(";", ",").split(","), wanted)
    return split, bad


def by_value(
    column: pa.ChunkedArray,
    understand: Callable[[Any], Any],
    kind: pa.DataType | None = None,
) -> Understood:
    """Each value that occurs is understood once; None means that it means nothing."""
    found = pc.unique(column)
    meant = pa.array(
        [None if value is None else understand(value) for value in found.to_pylist()],
        kind or pa.large_string(),
    )
    understood = pc.take(meant, pc.index_in(column, value_set=found))
    bad = pc.and_(pc.is_null(understood), pc.is_valid(column))
    return _chunked(understood), _mask(bad)


# --- types ------------------------------------------------------------------------------------


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if kinds.is_dictionary(column.type):
        return pa.chunked_array(
            [chunk.dictionary_decode() for chunk in column.chunks], column.type.value_type
        )
    return column


def _is_text(kind: pa.DataType) -> bool:
    return any(check(kind) for check in TEXT_KINDS)


def _is_binary(kind: pa.DataType) -> bool:
    return any(check(kind) for check in BINARY_KINDS)


def _decode(column: pa.ChunkedArray) -> Understood:
    """Texts that are UTF-8. Parquet promises it, and files that break the promise exist."""
    wide = pc.cast(column, pa.large_binary())
    try:
        return pc.cast(wide, pa.large_string()), _none_bad(column)
    except pa.ArrowInvalid:
        return by_value(wide, _utf8)


def _utf8(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _whole(column: pa.ChunkedArray) -> Understood:
    is_number = pc.and_(pc.is_valid(column), pc.invert(pc.is_nan(column)))
    is_exact = pc.and_(
        pc.equal(pc.floor(column), column), pc.less(pc.abs(column), pa.scalar(EXACT_FLOAT))
    )
    usable = pc.and_kleene(is_number, is_exact)
    safe = pc.if_else(usable, column, pa.scalar(None, pa.float64()))
    bad = pc.and_(pc.fill_null(is_number, fill_value=False), pc.is_null(safe))
    return pc.cast(pc.cast(safe, pa.int64()), pa.large_string()), _mask(bad)


def _nulls(kind: pa.DataType, length: int) -> pa.ChunkedArray:
    return _chunked(pa.nulls(length, kind))


def _none_bad(column: pa.ChunkedArray) -> Mask:
    return np.zeros(len(column), dtype=bool)


def _chunked(column: Any) -> pa.ChunkedArray:
    return column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])


def _mask(column: Any) -> Mask:
    return np.asarray(pc.fill_null(column, fill_value=False))
