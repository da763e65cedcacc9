"""Settings of Sphinx, which makes a web site of the documents: ``make site``.

Its source is the whole repository: the README is the first page, and links to files beside the
documents stay valid. Nothing is loaded from elsewhere when a page is read.
"""

project = "onebyone"
root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "[a-z]*/README.md"]
extensions = ["myst_parser"]
myst_enable_extensions = ["html_image"]
myst_heading_anchors = 4
highlight_language = "none"  # indented blocks; fenced ones name their language

html_theme = "furo"
html_title = "onebyone"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

#: The sidebar: captions, and the pages under each.
PAGES = {
    "Learn": ("tutorial", "explanation", "scaling"),
    "Do": (
        "how-do-i",
        "how-to/hyperspectral",
        "how-to/microscopy-unmixing",
        "how-to/feature-maps-to-rgb",
        "how-to/clusters",
        "how-to/*",
        "troubleshooting",
    ),
    "Look up": ("commands", "formats", "numbers", "guarantees"),
    "Work on it": ("architecture",),
}
BESIDE = ("sample_data/README", "examples/README", "benchmarks/README", "CONTRIBUTING", "CHANGELOG")


def add_contents(app, name, source):
    """Add the contents of the site to its first page, and those of the reference to its own."""
    if name == "docs/reference/README":
        source[0] += _toctree("", ["*"])
    if name == root_doc:
        lists = {caption: [f"/docs/{page}" for page in pages] for caption, pages in PAGES.items()}
        lists["Learn"].insert(0, "All pages </docs/README>")
        lists["Look up"].append("Options of each command </docs/reference/README>")
        lists["Work on it"] += [f"/{page}" for page in BESIDE]
        source[0] += "".join(_toctree(caption, pages) for caption, pages in lists.items())


def _toctree(caption, pages):
    options = [":hidden:", ":glob:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join(["", "```{toctree}", *options, "", *pages, "```", ""])


def setup(app):
    """Register the contents."""
    app.connect("source-read", add_contents)
