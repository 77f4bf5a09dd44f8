"""MkDocs hooks: pages from outside docs/, and links that work on the code host and in the site alike."""

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[1]
PAGES = {
    "index.md": "README.md",
    "index.zh-CN.md": "README.zh-CN.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "examples.md": "examples/README.md",
    "examples.zh-CN.md": "examples/README.zh-CN.md",
    "benchmarks.md": "benchmarks/README.md",
    "mouth_motion.md": "models/mouth_motion.md",
    "mouth_painter.md": "models/mouth_painter.md",
    "face_cover.md": "models/face_cover.md",
    "canonical_face.md": "models/canonical_face.md",
}
SITE = {source: page for page, source in PAGES.items()}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]+)\]\((?P<path>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")
OTHER_LANGUAGE = re.compile(r"^\[(中文|English)\]\(\S+\)\n", re.MULTILINE)  # the site has a menu for that


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside docs/."""
    for page in PAGES:
        files.append(File(page, config.docs_dir, config.site_dir, config.use_directory_urls))
    return files


def on_page_read_source(page: Page, config: MkDocsConfig) -> str | None:  # noqa: ARG001 - named by MkDocs
    """Read such a page from its place in the repository."""
    source = PAGES.get(page.file.src_uri)
    return (REPOSITORY / source).read_text(encoding="utf-8") if source else None


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - named by MkDocs
    """Point links between files of the repository at their pages; one to a file without a page becomes its text."""
    folder = (REPOSITORY / PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")).parent

    def at_site(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link["path"]))
        if not target.exists():
            return link[0]  # MkDocs warns
        path = target.relative_to(REPOSITORY).as_posix()
        place = SITE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        return f"{link['image']}[{link['text']}]({place}{link['anchor'] or ''})" if place else link["text"]

    return LINK.sub(at_site, OTHER_LANGUAGE.sub("", markdown))
