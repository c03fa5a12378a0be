"""The user's functions and flows, told apart by identity, with the results that were compiled for each.

`jax.jit` tells functions apart by equality, and two bound methods `model.log_prob` are equal even if the model changed
in between: the second would get a result of the old state. Here the object itself is the key. Keep one function object
to compile once; create a new one after a change of what it reads. `model.log_prob` and `functools.partial(...)` are
new objects each time they are written.
"""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Jaxpr, jaxprs_in_params

from glowjax.checks import InputError
from glowjax.cores import divided

MAX_SUBJECTS = 32
"""The number of objects whose compiled results are kept; the least recently used one is dropped first."""

_subjects: OrderedDict[int, "Subject"] = OrderedDict()
_lock = threading.Lock()


class Subject:
    """A user's function or flow. Subjects are compared by identity, and calling one calls the function.

    Attributes:
        own: the user's object.
        point: shape and dtype of the point at which it was last checked.
        is_known: whether the function closes over no traced values.
    """

    def __init__(self, own: Any) -> None:
        self.own = own
        self.point: jax.ShapeDtypeStruct | None = None
        self.is_known = True
        self._compiled: dict[Any, Any] = {}

    def __call__(self, x: Any) -> Any:  # noqa: D102
        return self.own(x)

    def run(self, kernel: Callable, *arrays: Any, **options: Any) -> Any:
        """`kernel(self, *arrays, **options)`, compiled once per kernel, options and shapes.

        A function that cannot be differentiated as the kernel does is refused in an InputError.
        """
        key = (kernel, *sorted(options.items()))

        def of_arrays(*arrays: Any) -> Any:
            return kernel(self, *arrays, **options)

        compiled = self._compiled.setdefault(key, jax.jit(of_arrays))
        try:
            if not self.is_known or any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arrays)):
                _check_forward_mode(compiled.trace(*arrays).jaxpr.jaxpr)
            return compiled(*arrays)
        except InputError:
            raise
        except Exception as error:
            if _traces(of_arrays, *arrays):
                raise  # an error of the computation, such as NaN under jax_debug_nans
            raise _not_differentiable(self, error, kernel) from error

    def run_divided(self, kernel: Callable, *arrays: Any, **options: Any) -> Any:
        """As `run`, for a kernel whose last array has items [N, ...] that do not depend on each other.

        Several accelerators or processes share the items, see `glowjax.cores.divided`.
        """
        *others, items = arrays

        def part(items: Any) -> Any:
            return self.run(kernel, *others, items, **options)

        is_traced = not self.is_known or any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(arrays))
        return part(items) if is_traced else divided(part, items)

    def forget(self) -> None:
        """Keeps nothing for this object."""
        with _lock:
            _subjects.pop(id(self.own), None)
        self.release()

    def release(self) -> None:
        """Frees the memory of the compiled programs, which Python's garbage collector would free much later."""
        while self._compiled:
            _, compiled = self._compiled.popitem()
            compiled.clear_cache()


def subject_of(own: Any) -> Subject:
    """The subject of this very object; a subject is its own."""
    if isinstance(own, Subject):
        return own
    with _lock:
        subject = _subjects.pop(id(own), None) or Subject(own)  # it holds `own`, whose id is therefore not used again
        _subjects[id(own)] = subject
        dropped = [_subjects.popitem(last=False)[1] for _ in range(len(_subjects) - MAX_SUBJECTS)]
    for other in dropped:
        other.release()
    return subject


def first_line(error: Exception) -> str:
    """The type of an error and the first line of its message."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"


SECOND_DERIVATIVES: dict[str, Callable[[Callable, jax.Array], Any]] = {
    "hvp, hessian, hessian_diagonal and quadratic_forms work for it: they differentiate in reverse first": (
        lambda log_prob, x: jax.jvp(jax.grad(log_prob), (x,), (x,))
    ),
    "laplacian and hessian_trace work for it: they differentiate in forward mode alone": (
        lambda log_prob, x: jax.jvp(lambda x: jax.jvp(log_prob, (x,), (x,))[1], (x,), (x,))
    ),
    "only reverse mode works for it, twice: its Hessian is jax.jacrev(jax.jacrev(log_prob_fn))(x)": (
        lambda log_prob, x: jax.jacrev(jax.jacrev(log_prob))(x)
    ),
}
"""The advice that each way to a second derivative allows, if it works for a function."""


def _not_differentiable(log_prob: Subject, error: Exception, kernel: Callable) -> InputError:
    """The error for a function that can be evaluated but not differentiated; its advice was tried on the function."""
    advice = "write it with operations that JAX differentiates twice"
    for text, derivative in SECOND_DERIVATIVES.items():
        is_other = not ("laplacian" in text and "laplacian" in kernel.__module__)
        if is_other and log_prob.point and _traces(functools.partial(derivative, log_prob), log_prob.point):
            advice = text
            break
    if "custom_vjp" in str(error) or "custom_lin" in str(error):
        advice += ". A flow with memory='invert' has a custom_vjp: take flow.with_memory('store'), the same params fit"
    return InputError(f"log_prob_fn has no second derivatives of the kind needed here ({first_line(error)}); {advice}.")


def _check_forward_mode(jaxpr: Jaxpr) -> None:
    """Raises JAX's error for a custom_vjp in forward mode, which comes only when a traced program is compiled."""
    if _contains(jaxpr, "custom_lin"):
        raise TypeError("can't apply forward-mode autodiff (jvp) to a custom_vjp function.")


def _traces(fun: Callable, *arrays: Any) -> bool:
    try:
        return not _contains(jax.make_jaxpr(fun)(*arrays).jaxpr, "custom_lin")
    except Exception:
        return False


def _contains(jaxpr: Jaxpr, name: str) -> bool:
    """Whether a primitive of this name is in `jaxpr`, at any depth."""
    return any(
        eqn.primitive.name == name or any(_contains(inner, name) for inner in jaxprs_in_params(eqn.params))
        for eqn in jaxpr.eqns
    )
