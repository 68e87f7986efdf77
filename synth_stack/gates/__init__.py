"""The gates, one folder each. Importing this package registers them; their models load when one is bound."""

import importlib
import pkgutil

for _folder in pkgutil.iter_modules(__path__):
    if _folder.ispkg:
        importlib.import_module(f"{__name__}.{_folder.name}.gate")
