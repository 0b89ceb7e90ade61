// An extension module for Python that exchanges tensors by DLPack: pytorch.py dlpack uses it.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <descent/core/dlpack.h>
#include <descent/descent.h>

using namespace descent;

namespace {

/// A capsule that frees its tensor unless somebody takes it.
PyObject* capsule_of(const Tensor& t) {
  return PyCapsule_New(to_dlpack(t), "dltensor", [](PyObject* capsule) {
    if (!PyCapsule_IsValid(capsule, "dltensor")) return;
    auto* m = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
    m->deleter(m);
  });
}

Tensor taken(PyObject* capsule) {
  auto* m = static_cast<dlpack::ManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
  const Tensor t = from_dlpack(m);
  PyCapsule_SetName(capsule, "used_dltensor");
  return t;
}

PyObject* numbers(PyObject*, PyObject*) {
  return capsule_of(arange(0, 12, 1, kFloat32).reshape({3, 4}));
}
PyObject* total(PyObject*, PyObject* capsule) {
  try {
    return PyFloat_FromDouble(sum(taken(capsule)).item());
  } catch (const Error& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
    return nullptr;
  }
}
PyObject* double_it(PyObject*, PyObject* capsule) {
  taken(capsule).mul_(2);
  Py_RETURN_NONE;
}

PyMethodDef methods[] = {{"numbers", numbers, METH_NOARGS, "0 to 11, (3, 4)"},
                         {"total", total, METH_O, "the sum of a capsule's elements"},
                         {"double_it", double_it, METH_O, "doubles a capsule's elements"},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef module = {PyModuleDef_HEAD_INIT,
                      "descent_dlpack",
                      nullptr,
                      -1,
                      methods,
                      nullptr,
                      nullptr,
                      nullptr,
                      nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_descent_dlpack() { return PyModule_Create(&module); }
