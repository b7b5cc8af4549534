"""What a reply's Markdown may become, and that a growing reply ends up the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chat import listings, markdown, rendering
from chat.rendering import BlockRenderer, render_markdown

# Fragments whose meaning depends on what stands before and after them.
FRAGMENTS = st.sampled_from(
    [
        *("a", "é", "word ", " ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\r", "\0"),
        *("# h", "---", "===", "> q", "- a", "+ ", "1. b", "1) ", "- [x] t", "* * *"),
        *("```", "````", "~~~", "py", "`x`", "*e*", "**s**", "\\", "&amp;", "$"),
        *("$x$", "$$", r"\(", r"\)", r"\[", r"\]", "{"),
        *("[a]", "[a]: /u", "[a]: http://x.y", "[b]: <http://z> 'ti\ntle'", "[a][b]"),
        *("![i](http://i.j)", "<http://a.b>", "https://c.d/e_f.", "<div>", "</div>"),
        *("<b>", "<!--", "-->", "| a | b |", "|--|:-:|", "| 1 |"),
    ]
)


def stream(text: str, sizes: list[int]) -> list[tuple[int, str]]:
    """Everything a reader is given when `text` arrives in pieces of these sizes."""
    renderer = BlockRenderer()
    given_out = []
    start = 0
    for size in sizes:
        renderer.feed(text[start : start + size])
        start += size
        given_out += renderer.flush()
    renderer.feed(text[start:])
    return given_out + renderer.close()


def shown(changes: list[tuple[int, str]]) -> str:
    blocks = dict(changes)
    return "".join(blocks[number] for number in sorted(blocks))


@example("- a\n**b**", [5])  # the first star alone would be a list of its own
@example("[a]\n\n[a]: /u\n'ti\ntle'\n\nx", [16])
@example("- a\n\n b\n", [6])
@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.lists(FRAGMENTS, max_size=30).map("".join),
    st.lists(st.integers(1, 12), max_size=60),
)
def test_any_chunking_ends_as_the_whole_text(text: str, sizes: list[int]) -> None:
    assert shown(stream(text, sizes)) == render_markdown(text)


@example(
    "[a]\n\n|a|b|\n|-|-|\n|1\n|1\n\n|a|b|\n|-|-|\n|1\n\n[a]: http://x.y\n", [4] * 20
)
@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(FRAGMENTS, max_size=30).map("".join),
    st.lists(st.integers(1, 12), max_size=60),
)
def test_any_chunking_ends_the_same_past_the_limits(
    text: str, sizes: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "PADDING_MAX", 2)
        patch.setattr(markdown, "DEPTH_MAX", 3)
        assert shown(stream(text, sizes)) == render_markdown(text)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# Title", '<h3 class="title">Title</h3>'),
        ("## Part", "<h3>Part</h3>"),
        ("~~gone~~", "<p><del>gone</del></p>"),
        (
            "- [x] done\n- [ ] open\n\n- plain",
            '<ul><li class="task"><p>☑ done</p></li><li class="task"><p>☐ open</p></li>'
            "<li><p>plain</p></li></ul>",
        ),
        ("- [x] done", '<ul><li class="task">☑ done</li></ul>'),
        ("3. c\n4. d", '<ol start="3"><li>c</li><li>d</li></ol>'),
        ("a<br/>b", "<p>a<br>b</p>"),
        ("5 < 6 & 7", "<p>5 &lt; 6 &amp; 7</p>"),
    ],
)
def test_markdown_becomes_plain_html(source: str, expected: str) -> None:
    assert render_markdown(source) == expected


def test_tables_scroll_and_keep_their_alignment_without_styles() -> None:
    html = render_markdown("| a | b |\n|--:|---|\n| 1 | 2 |")
    assert html.startswith('<div class="table"')
    assert '<th scope="col" class="right">a</th>' in html
    assert '<td class="right">1</td><td>2</td>' in html
    assert "style" not in html


def test_raw_html_is_shown_and_never_run() -> None:
    html = render_markdown(
        "<script>alert(1)</script>\n\nx <img src=x onerror=alert(1)> <b>y</b>\n\n"
        '<div style="color:red">\n\n<a href="javascript:x()">z</a>'
    )
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "&lt;img src=x onerror=alert(1)&gt; &lt;b&gt;y&lt;/b&gt;" in html
    assert not {"<script", "<img", "<b>", "<div", "<a"} & set(html.split(">"))
    assert "<img" not in html and "<script" not in html and "<a " not in html


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "/accounts/logout/", "//evil.example"],
)
def test_only_web_and_mail_addresses_become_links(address: str) -> None:
    assert render_markdown(f"[text]({address})") == "<p>text</p>"


def test_links_leave_without_referrer_and_in_a_tab_of_their_own() -> None:
    link = (
        '<a href="https://example.com/a" target="_blank"'
        ' rel="nofollow noopener noreferrer">'
    )
    assert render_markdown("[x](https://example.com/a)") == f"<p>{link}x</a></p>"
    assert (
        render_markdown("See https://example.com/a.")
        == f"<p>See {link}https://example.com/a</a>.</p>"
    )


def test_an_image_is_a_link_and_loads_nothing() -> None:
    html = render_markdown("![the *secret*](https://evil.example/?q=secret)")
    assert "<img" not in html
    assert 'href="https://evil.example/?q=secret"' in html
    assert "the <em>secret</em></a>" in html


def test_code_has_its_language_and_colours() -> None:
    html = render_markdown('```Python {1}\nx = "<b>"\n```')
    assert '<div class="code-head"><span>python</span></div>' in html
    assert '<span class="s2">"&lt;b&gt;"</span>' in html


def test_code_of_an_unknown_language_stays_plain() -> None:
    html = render_markdown("```nonesuch\n<i>\n```")
    assert "<span>nonesuch</span>" in html
    assert "<code>&lt;i&gt;\n</code>" in html


def test_text_that_is_not_utf8_is_rendered() -> None:
    assert render_markdown("a\ud800b\0") == "<p>a?b\ufffd</p>"


def test_a_finished_block_is_given_out_once() -> None:
    renderer = BlockRenderer()
    renderer.feed("One.\n\nTwo")
    assert renderer.flush() == [(0, "<p>One.</p>"), (1, "<p>Two</p>")]
    renderer.feed(" and\n\nThree")
    assert renderer.flush() == [(1, "<p>Two and</p>"), (2, "<p>Three</p>")]
    assert renderer.flush() == []
    assert renderer.close() == []


def test_an_open_fence_is_plain_until_it_closes() -> None:
    renderer = BlockRenderer()
    renderer.feed("```python\nx = 1\n``")
    [(number, html)] = renderer.flush()
    assert (number, "<code>x = 1\n</code>" in html) == (0, True)
    renderer.feed("`\n")
    [(number, html)] = renderer.flush()
    assert (number, '<span class="n">x</span>' in html) == (0, True)


def test_a_long_listing_is_sent_in_pieces_and_joined_when_it_closes() -> None:
    line = "value = compute(1, 2)  # words\n"
    changes = stream(
        "```py\n" + line * 400 + "```\n\nEnd", [len(line)] * 401 + [4, 2, 3]
    )
    sent = sum(len(html) for _, html in changes)
    assert sent < 100 * len(line) * 400
    assert max(number for number, _ in changes) > 4
    blocks = dict(changes)
    assert (blocks[1], blocks[2]) == ("<p>End</p>", "")


def test_a_later_definition_turns_an_earlier_reference_into_a_link() -> None:
    changes = stream("See [docs].\n\nMore.\n\n[docs]: https://e.org\n\nEnd.", [1] * 60)
    assert [number for number, html in changes if "https://e.org" in html] == [0]


def test_a_growing_reply_costs_in_proportion_to_its_length() -> None:
    """Counted in characters given out, since a test never asserts a time."""
    reply = "- an item with **bold** words and `code` in it\n"

    def given_out(items: int) -> int:
        text = reply * items
        return sum(len(html) for _, html in stream(text, [8] * (len(text) // 8)))

    assert given_out(400) < 3 * given_out(200)


WIDE = "|a" * 1000 + "|\n" + "|-" * 1000 + "|\n" + "x\n" * 1000


def test_a_short_row_gets_no_cells_beyond_what_was_written() -> None:
    html = render_markdown("|a|b|c|\n|-|-|-|\n|1||\n|2|")
    assert "<tr><td>1</td><td></td></tr><tr><td>2</td></tr>" in html


def test_past_a_limit_the_rest_is_shown_as_it_was_written() -> None:
    html = render_markdown(f"**before**\n\n{WIDE}\n**after** <b>")
    assert html.startswith("<p><strong>before</strong></p>")
    assert "<td>" not in html
    assert "x\n\n**after** &lt;b&gt;</code>" in html


@pytest.mark.parametrize("mark", [">", "- ", "> 1. "])
def test_deep_nesting_is_shown_as_it_was_written(mark: str) -> None:
    html = render_markdown(mark * 2_000 + "a")
    assert html.count("<pre") == 1
    assert "<blockquote>" not in html and "<li>" not in html


@pytest.mark.parametrize(
    "text",
    [
        WIDE,
        "|a|b|c|\n|-|-|-|\n" + "|one|**two**|three|\n" * 500,
        "```cpp\n" + 'R"(' * 3_000,
        ">" * 6_000,
    ],
    ids=["wide table", "long table", "long line of code", "deep quotes"],
)
def test_what_a_stream_gives_out_stays_in_proportion(text: str) -> None:
    def given_out(text: str) -> int:
        return sum(len(html) for _, html in stream(text, [4] * (len(text) // 4)))

    assert given_out(text) < 200 * len(text)


def test_a_line_of_nothing_but_marks_is_read_once() -> None:
    """With backtracking this takes the square of its length, which is hours."""
    text = "`" * 1_000_000
    assert shown(stream(text, [])) == render_markdown(text)


@pytest.mark.parametrize(
    "code",
    ['R"(' * 200, "x" + "\n " * 90 + "x", "a b\n" * 50, "int a;\n" * 2_000],
    ids=["long line", "white space", "only words", "long listing"],
)
def test_code_that_could_cost_too_much_is_never_lexed(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lexed: list[str] = []

    def counted(code: str, *_: object) -> str:
        lexed.append(code)
        return ""

    monkeypatch.setattr(listings, "highlight", counted)
    render_markdown(f"```cpp\n{code}\n```")
    assert lexed == []
    usual = f"int once{len(code)};\n"  # what has been coloured before is remembered
    render_markdown(f"```cpp\n{usual}```")
    assert lexed == [usual]
