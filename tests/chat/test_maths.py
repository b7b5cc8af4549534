"""TeX in replies: what is a formula and what a price, and that it becomes MathML."""

from __future__ import annotations

import pytest

from chat.maths import LENGTH_MAX, NESTING_MAX
from chat.rendering import render_markdown


def alternative(html: str) -> list[str]:
    """The source of each formula, as the page keeps it for those who copy."""
    return [piece.partition('"')[0] for piece in html.split('alttext="')[1:]]


@pytest.mark.parametrize(
    ("source", "formulas"),
    [
        ("$x_1$ and $y_2$, ($z$)-axis.", ["x_1", "y_2", "z"]),
        ("$$\nx\n$$", ["x"]),
        (r"$" + r"f(\frac{1}{2})" * 9 + "$", [r"f(\frac{1}{2})" * 9]),
        (r"\(a * b * c\) and \[a_b\]", ["a * b * c", "a_b"]),
        ("\\[\nx\\\\[2pt]\n\\]", ["x\\\\[2pt]"]),
        ("- $x$\n- > $$y$$\n\n| a |\n|--|\n| $z$ |", ["x", "y", "z"]),
        ("[$x$][l]\n\n[l]: http://a.b", ["x"]),
        (r"$f'(x)$ costs \$5, $y$ too", ["f'(x)", "y"]),
    ],
)
def test_formulas_are_found(source: str, formulas: list[str]) -> None:
    html = render_markdown(source)
    assert alternative(html) == formulas
    assert "<math" in html
    assert "$" not in html.replace("costs $5", "")


@pytest.mark.parametrize(
    "source",
    [
        "It costs $5 and $10.",
        "$5-$10, $1,000/$2,000 or US$5/A$6",
        "$5 and 10$",
        "($5)($6)",
        "$HOME/bin:$PATH",
        "$ x $ and $x",
        "$a\n\nb$",
        "`$x$` and ``\\(y\\)``",
        "```\n$x$ \\(y\\)\n```",
        "- a\n  ```\n  $x$\n  ```",
        "http://a.b/$z$",
        r"\$x\$",
    ],
)
def test_prices_paths_and_code_stay_text(source: str) -> None:
    html = render_markdown(source)
    assert "<math" not in html
    assert html.count("$") >= source.count("$")
    assert r"\$" not in html


def test_what_surrounds_a_price_keeps_its_meaning() -> None:
    assert render_markdown("**$5**/**$10**") == (
        "<p><strong>$5</strong>/<strong>$10</strong></p>"
    )


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\newcommand{\a}{\a\a}\a",
        r"\sqrt" * (NESTING_MAX + 1) + "x",
        "x" * (LENGTH_MAX + 1),
        "(" * 40 + "x",
        "{" + "(" * 40 + "}" + ")" * 40,
    ],
)
def test_what_cannot_be_written_stands_as_it_was(tex: str) -> None:
    html = render_markdown(f"$${tex}$$")
    assert html == f"<p><code>$${tex}$$</code></p>"


def test_a_formula_brings_no_style_link_or_address() -> None:
    html = render_markdown(
        r"$$\begin{array}{c|c}a&b\\\hline c&d\end{array} \color{red}{x}$$"
        r" $\eqref{a}$ $\text{<img src=x onerror=alert(1)>}$ $\boxed{y}$"
    )
    assert 'class="bar-right"' in html
    assert not any(each in html for each in (" style=", "href", "<img", " id="))
