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
/// The tensors are row-major and have the given shape.
/// @{
Tensor empty(const Shape& shape, DType dtype = kFloat32);  ///< whatever the memory holds
Tensor zeros(const Shape& shape, DType dtype = kFloat32);
Tensor ones(const Shape& shape, DType dtype = kFloat32);
Tensor full(const Shape& shape, Scalar value, DType dtype = kFloat32);
/// @}

/// @name Filled tensors like another one
/// The tensors have t's shape and dtype. If t's elements fill one block of memory, they have t's
/// strides too.
/// @{
Tensor empty_like(const Tensor& t);  ///< whatever the memory holds
Tensor zeros_like(const Tensor& t);
Tensor ones_like(const Tensor& t);
Tensor full_like(const Tensor& t, Scalar value);
/// @}

/// A matrix (rows, columns) with ones on the diagonal and zeros elsewhere. If columns is -1, the
/// matrix is square.
Tensor eye(std::int64_t rows, std::int64_t columns = -1, DType dtype = kFloat32);

/// @name Ranges
/// The numbers begin, begin + step, … that lie below end, or above end if step is negative: (n).
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

/// `steps` numbers at equal distances, from begin to end, both included: (steps).
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
/// (values.size(),) unless another shape is given. The dtype is the dtype of T. Throws ShapeError
/// if the shape has another number of elements.
/// @{
template <class T>
Tensor tensor(const std::vector<T>& values);
template <class T>
Tensor tensor(const std::vector<T>& values, const Shape& shape);
/// @}

/// A tensor over the caller's memory, row-major, without a copy. The memory must outlive the
/// tensor, all its views, and every compiled step that used the tensor or a view. If `deleter` is
/// given, it is called with the pointer when all of these are gone.
template <class T>
Tensor from_blob(T* data, const Shape& shape, std::function<void(void*)> deleter = {});

/// @name Random tensors
/// The numbers are drawn from the generator. If no generator is given, they are drawn from the
/// calling thread's default_generator(). The same state of the generator gives the same numbers on
/// every platform, for any number of threads (see random.h).
/// @{
Tensor rand(const Shape& shape, DType dtype = kFloat32);  ///< uniform in [0, 1)
Tensor rand(const Shape& shape, Generator& generator, DType dtype = kFloat32);
Tensor randn(const Shape& shape, DType dtype = kFloat32);  ///< standard normal
Tensor randn(const Shape& shape, Generator& generator, DType dtype = kFloat32);
/// int64, uniform in [low, high). Throws ValueError unless low < high.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape);
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator);
/// The numbers 0 … n − 1 in a random order: (n), int64. Throws ValueError for a negative n.
Tensor randperm(std::int64_t n);
Tensor randperm(std::int64_t n, Generator& generator);
/// Each element is 1 with probability p, and otherwise 0. Throws ValueError unless 0 <= p <= 1.
Tensor bernoulli(const Shape& shape, double p, DType dtype = kFloat32);
Tensor bernoulli(const Shape& shape, double p, Generator& generator, DType dtype = kFloat32);
/// @}

}  // namespace descent
