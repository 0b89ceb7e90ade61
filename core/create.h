// Creating tensors. No new tensor requires a gradient; see Tensor::requires_grad_().
//
//   Tensor w = randn({64, 10}).requires_grad_();
//   Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}});
//
// Every shape may hold extents of 0. A negative extent throws ShapeError.
#pragma once

#include <descent/core/tensor.h>

#include <initializer_list>

namespace descent {

class Generator;  // core/random.h

/// @name Filled tensors
/// Row-major, of the given shape.
/// @{
Tensor empty(const Shape& shape, DType dtype = kFloat32);  ///< whatever the memory holds
Tensor zeros(const Shape& shape, DType dtype = kFloat32);
Tensor ones(const Shape& shape, DType dtype = kFloat32);
Tensor full(const Shape& shape, Scalar value, DType dtype = kFloat32);
/// @}

/// @name Filled tensors like another one
/// Of t's shape and dtype. If t's elements fill one block of memory, also of t's strides.
/// @{
Tensor empty_like(const Tensor& t);  ///< whatever the memory holds
Tensor zeros_like(const Tensor& t);
Tensor ones_like(const Tensor& t);
Tensor full_like(const Tensor& t, Scalar value);
/// @}

/// Ones on the diagonal, else zeros: (rows, columns), square if columns is -1.
Tensor eye(std::int64_t rows, std::int64_t columns = -1, DType dtype = kFloat32);

/// @name Ranges
/// begin, begin + step, … as long as they lie below end (above it, for a negative step): (n).
/// Without a dtype: int64 if all numbers are integers, else float32. Throws ValueError if step is 0
/// or leads away from end.
///
///   arange(5)        // 0, 1, 2, 3, 4
///   arange(1, 2, 0.5)  // 1, 1.5
/// @{
Tensor arange(Scalar begin, Scalar end, Scalar step = 1);
Tensor arange(Scalar end);
Tensor arange(Scalar begin, Scalar end, Scalar step, DType dtype);
/// @}

/// `steps` numbers from begin to end, both included, at equal distances: (steps).
Tensor linspace(double begin, double end, std::int64_t steps, DType dtype = kFloat32);

/// A number, or a list of numbers or lists, for tensor(): `{{1, 2}, {3, 4}}`.
class NestedList {
 public:
  /// A number.
  template <class S>
  requires std::is_arithmetic_v<S> NestedList(S s) : scalar_(s), is_list_(false) {}
  /// A list.
  NestedList(std::initializer_list<NestedList> items);

 private:
  friend Tensor tensor(const NestedList& list);
  friend Tensor tensor(const NestedList& list, DType dtype);
  Scalar scalar_ = 0;
  std::vector<NestedList> items_;
  bool is_list_ = true;
};

/// @name Tensors from numbers
/// A copy of a nested list. Without a dtype: int64 if all numbers are integers, bool if all are
/// bool, else float32. Throws ShapeError if the lists of one level have different lengths.
/// @{
Tensor tensor(const NestedList& list);
Tensor tensor(const NestedList& list, DType dtype);
Tensor tensor(std::initializer_list<NestedList> list);
Tensor tensor(std::initializer_list<NestedList> list, DType dtype);
/// @}

/// @name Tensors from a vector
/// A copy of a vector of bool, std::int64_t, float or double, in row-major order. The shape is
/// (values.size(),) unless given. The dtype is T's. Throws ShapeError if the shape has another
/// number of elements.
/// @{
template <class T>
Tensor tensor(const std::vector<T>& values);
template <class T>
Tensor tensor(const std::vector<T>& values, const Shape& shape);
/// @}

/// A tensor over the caller's memory, row-major, without a copy. The memory must outlive the
/// tensor, all its views, and every compiled step that used one of them. If `deleter` is given, it
/// is called with the pointer when the last of them is gone.
template <class T>
Tensor from_blob(T* data, const Shape& shape, std::function<void(void*)> deleter = {});

/// @name Random tensors
/// Drawn from the generator, or from the calling thread's default_generator() if none is given. The
/// same state gives the same numbers on every platform, for any number of threads (see random.h).
/// @{
Tensor rand(const Shape& shape, DType dtype = kFloat32);  ///< uniform in [0, 1)
Tensor rand(const Shape& shape, Generator& generator, DType dtype = kFloat32);
Tensor randn(const Shape& shape, DType dtype = kFloat32);  ///< standard normal
Tensor randn(const Shape& shape, Generator& generator, DType dtype = kFloat32);
/// int64, uniform in [low, high). Throws ValueError unless low < high.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape);
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator);
/// 0 … n − 1 in a random order: (n), int64. Throws ValueError for a negative n.
Tensor randperm(std::int64_t n);
Tensor randperm(std::int64_t n, Generator& generator);
/// 1 with probability p, else 0. Throws ValueError unless 0 <= p <= 1.
Tensor bernoulli(const Shape& shape, double p, DType dtype = kFloat32);
Tensor bernoulli(const Shape& shape, double p, Generator& generator, DType dtype = kFloat32);
/// @}

}  // namespace descent
