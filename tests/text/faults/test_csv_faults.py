"""What the csv module says, in plain words."""

from __future__ import annotations

import csv

import pytest

from pipeline.text.faults.csv_faults import said


def test_an_open_quotation_mark_is_named() -> None:
    with pytest.raises(csv.Error) as error:
        list(csv.reader(['a,"b\n'], strict=True))
    assert said(error.value) == 'a quotation mark (") is opened and never closed'


def test_another_fault_is_told_as_it_is() -> None:
    with pytest.raises(csv.Error) as error:
        list(csv.reader(['"a"b\n'], strict=True))
    assert "expected after" in said(error.value)
