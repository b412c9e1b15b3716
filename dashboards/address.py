"""What the address of a page keeps, so that a link opens the same view: choices, and the chosen row of a table.

Streamlit's own binding puts the shown words of a choice into the address, which another language does not know.
Here the address has the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, TypeVar
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

T = TypeVar("T")


def given(name: str, options: Sequence[T], default: T) -> T:
    """The option that the address names; else the default."""
    asked = st.query_params.get(name)
    return next((option for option in options if option == asked), default)


def keep(name: str, value: str | None) -> None:
    """Put the value into the address; None takes it out."""
    if value is not None:
        st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]


def chosen_one(name: str, label: str, options: Mapping[str, str], default: str) -> str:
    """Show options side by side; `options` has the reader's words by value. The address keeps what is not the default.

    The label is only read aloud.
    """
    chosen = st.segmented_control(
        label,
        list(options),
        default=given(name, list(options), default),
        format_func=options.__getitem__,
        key=f"chosen {name} of {' '.join(options)}",
        required=True,
        label_visibility="collapsed",
    )
    keep(name, None if chosen == default else chosen)
    return chosen


def chosen_row(name: str, frame: pd.DataFrame, idents: Sequence[str], **options: Any) -> int | None:
    """Show a table with one row to choose, `idents` by row; returns the number of the chosen row."""
    asked = st.query_params.get(name)
    rows = [idents.index(asked)] if asked in idents else []
    shown = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": rows, "columns": [], "cells": []}},
        **options,
    )
    chosen = shown["selection"]["rows"]
    keep(name, idents[chosen[0]] if chosen else None)
    return chosen[0] if chosen else None


def link(page: str, words: str, **choices: str) -> None:
    """Show a link to another page with these choices; empty ones are left out."""
    address = urlencode({name: value for name, value in choices.items() if value})
    st.html(f'<a href="{page}?{escape(address)}" target="_self" style="color:var(--accent)">{escape(words)}</a>')
