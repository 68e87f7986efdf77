"""What pyproject.toml cannot say: a wheel has copies of files that are written at the top of the checkout."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

TOP = Path(__file__).parent
LISTED = ((TOP / "curator_configs", "*.yaml", "gates"), (TOP / "pipelines", "*/**/*", "recipes"))


class BuildWithData(build_py):
    """Copies gate files, recipes and the lock of weights to synth_stack/data; shipped_files.py reads them."""

    def run(self) -> None:
        """Build the modules, and copy; an editable installation reads the files where they are written."""
        super().run()
        if self.editable_mode:
            return
        data = Path(self.build_lib) / "synth_stack" / "data"
        shutil.rmtree(data, ignore_errors=True)
        copies = [(TOP / "requirements" / "weights.lock", data / "weights.lock")]
        for folder, pattern, name in LISTED:
            files = [
                file for file in folder.glob(pattern) if file.is_file() and "__pycache__" not in file.parts
            ]
            copies += [(file, data / name / file.relative_to(folder)) for file in files]
        for source, target in copies:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


setup(cmdclass={"build_py": BuildWithData})
