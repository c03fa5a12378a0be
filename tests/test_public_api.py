"""Every public name is there, explained, and imported when it is first used."""

import inspect
import subprocess
import sys

import glowjax as gj


def test_every_public_name_has_a_docstring():
    assert len(set(gj.__all__)) == len(gj.__all__)
    assert set(gj.__all__) <= set(dir(gj))
    for name in gj.__all__:
        value = getattr(gj, name)
        assert inspect.getdoc(value), name
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name


def test_subpackages_are_imported_when_they_are_first_used():
    code = """if True:
        import sys
        import glowjax as gj
        slow = ("matplotlib", "sklearn", "optax", "PIL", "tyro", "matfree", "chex")
        loaded = [name for name in slow if name in sys.modules]
        assert not loaded, f"import glowjax imports {loaded}"
        subpackages = ("train", "plots", "analysis", "ood", "data", "testing")
        assert not any(f"glowjax.{name}" in sys.modules for name in subpackages)
        for name in (*subpackages, "stats"):
            assert getattr(gj, name) is sys.modules[f"glowjax.{name}"]
        assert gj.load is gj.train.load and gj.save is gj.train.save
        assert "tyro" not in sys.modules, "the library imports a command-line package"
        assert "grain" not in sys.modules, "the reader of images on disk is imported before there are any"
        try:
            gj.nothing
        except AttributeError as error:
            assert "has no attribute 'nothing'" in str(error)
        else:
            raise AssertionError("a name that does not exist was found")
    """
    subprocess.run([sys.executable, "-c", code], check=True)
