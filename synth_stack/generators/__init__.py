"""Generators: distilabel pipelines that turn a plan of items into candidate rows, one folder a family.

Importing this package registers them by name; distilabel itself is imported when one is built.
"""

import importlib
import pkgutil

for _folder in pkgutil.iter_modules(__path__):
    if _folder.ispkg:
        importlib.import_module(f"{__name__}.{_folder.name}.methods")
