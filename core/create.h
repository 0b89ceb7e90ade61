// Creating tensors. dtype defaults to float32; none requires a gradient until requires_grad_().
#pragma once

#include <descent/core/tensor.h>

#include <initializer_list>

namespace descent {

class Generator;

Tensor empty(const Shape& shape, DType dtype = kFloat32);  ///< values are undefined
Tensor zeros(const Shape& shape, DType dtype = kFloat32);
Tensor ones(const Shape& shape, DType dtype = kFloat32);
Tensor full(const Shape& shape, Scalar value, DType dtype = kFloat32);
Tensor empty_like(const Tensor& t);  ///< same shape, dtype and, when dense, the same strides
Tensor zeros_like(const Tensor& t);
Tensor ones_like(const Tensor& t);
Tensor full_like(const Tensor& t, Scalar value);
/// (rows, columns) with ones on the diagonal; square when columns is -1.
Tensor eye(std::int64_t rows, std::int64_t columns = -1, DType dtype = kFloat32);
/// begin, begin + step, … below end; int64 when all three are integers. Throws ValueError for a
/// step of 0 or of the wrong sign.
Tensor arange(Scalar begin, Scalar end, Scalar step = 1);
Tensor arange(Scalar end);
Tensor arange(Scalar begin, Scalar end, Scalar step, DType dtype);
/// `steps` numbers from begin to end, both included.
Tensor linspace(double begin, double end, std::int64_t steps, DType dtype = kFloat32);

/// A number, or a list of lists of numbers: `tensor({{1, 2}, {3, 4}})`.
class NestedList {
 public:
  template <class S>
  requires std::is_arithmetic_v<S> NestedList(S s) : scalar_(s), is_list_(false) {}
  NestedList(std::initializer_list<NestedList> items);

 private:
  friend Tensor tensor(const NestedList& list);
  friend Tensor tensor(const NestedList& list, DType dtype);
  Scalar scalar_ = 0;
  std::vector<NestedList> items_;
  bool is_list_ = true;
};
/// Copies a nested list: int64 when all numbers are integers, bool when all are bool, else
/// float32. Throws ShapeError for a ragged list.
Tensor tensor(const NestedList& list);
Tensor tensor(const NestedList& list, DType dtype);
Tensor tensor(std::initializer_list<NestedList> list);
Tensor tensor(std::initializer_list<NestedList> list, DType dtype);
/// Copies a vector, in row-major order; shape defaults to (values.size(),). The dtype is T's.
template <class T>
Tensor tensor(const std::vector<T>& values);
template <class T>
Tensor tensor(const std::vector<T>& values, const Shape& shape);

/// A tensor over the caller's memory, not copied: it must outlive the tensor, unless `deleter`
/// is given, which is called with the pointer when the last view is gone.
template <class T>
Tensor from_blob(T* data, const Shape& shape, std::function<void(void*)> deleter = {});

// Random tensors, from the default generator unless one is given (see random.h).
Tensor rand(const Shape& shape, DType dtype = kFloat32);   ///< uniform in [0, 1)
Tensor randn(const Shape& shape, DType dtype = kFloat32);  ///< standard normal
Tensor rand(const Shape& shape, Generator& generator, DType dtype = kFloat32);
Tensor randn(const Shape& shape, Generator& generator, DType dtype = kFloat32);
/// int64, uniform in [low, high). Throws ValueError unless low < high.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape);
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator);
Tensor randperm(std::int64_t n);  ///< int64, a permutation of 0 … n-1
Tensor randperm(std::int64_t n, Generator& generator);
/// 1 with probability p, else 0. Throws ValueError unless 0 <= p <= 1.
Tensor bernoulli(const Shape& shape, double p, DType dtype = kFloat32);
Tensor bernoulli(const Shape& shape, double p, Generator& generator, DType dtype = kFloat32);

}  // namespace descent
