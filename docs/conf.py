"""Settings of the documentation's site, which `make docs` builds into site/. Its pages open straight from the disk.

Nothing is fetched from the network when the site is built or read.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

project = "glowjax"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "docstrings", "mathml"]

# Pages are Markdown. Notebooks are stored with their outputs, and the tests run them.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True

# The API pages come from docstrings and show the names in each package's __all__.
add_module_names = False
python_use_unqualified_type_names = True
autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_attr_annotations = False  # signatures show the types

smartquotes_action = "qD"  # no ellipses: [...] is a shape

html_theme = "furo"
html_title = "glowjax"
html_math_renderer = "mathml"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
