// Creating tensors. No new tensor requires a gradient; see Tensor::requires_grad_().
//
//   Tensor w = randn({64, 10}).requires_grad_();
//   Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}});
//
// Every shape may hold extents of 0. A negative extent throws ShapeError.
#pragma once

#include <descent/core/tensor.h>

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <span>
#include <type_traits>

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
/// A square one.
inline Tensor eye(std::int64_t rows, DType dtype) { return eye(rows, -1, dtype); }

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
  /// A number. Throws ValueError for an integer beyond int64.
  template <class S>
  requires std::is_arithmetic_v<S> NestedList(S s) : scalar_(s), is_list_(false) {
    if (std::is_integral_v<S> && !scalar_.is_integral()) fail_too_large();
  }
  /// A list.
  NestedList(std::initializer_list<NestedList> items);

 private:
  [[noreturn]] static void fail_too_large();
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

namespace detail {
/// A vector, an array, a span: numbers one behind the other.
template <class R>
concept NumbersInARow = requires(const R& r) {
  requires std::is_arithmetic_v<std::remove_cvref_t<decltype(*std::data(r))>>;
  { std::size(r) } -> std::convertible_to<std::size_t>;
};
/// A copy of n numbers, which are of one of the four types.
Tensor tensor_of(const void* data, std::size_t n, const Shape& shape, DType dtype);
Tensor tensor_of(const std::vector<bool>& values, const Shape& shape);
Tensor blob_of(void* data, const Shape& shape, DType dtype, std::function<void(void*)> deleter);
[[noreturn]] void fail_too_large(std::size_t at);
}  // namespace detail

/// @name Tensors from numbers in a row
/// A copy of a vector, an array or a span, in row-major order. The shape is (values.size(),) unless
/// another shape is given. bool, std::int64_t, float and double keep their type; other integers
/// become int64, and long double becomes float64. Throws ShapeError if the shape has another number
/// of elements, and ValueError for an integer above the largest int64.
/// @{
template <detail::NumbersInARow R>
Tensor tensor(const R& values, const Shape& shape) {
  using T = std::remove_cvref_t<decltype(*std::data(values))>;
  static_assert(!std::is_same_v<T, char> && !std::is_same_v<T, wchar_t>,
                "tensor() takes numbers, not text");
  if constexpr (requires { DTypeOf<T>::value; }) {
    return detail::tensor_of(std::data(values), std::size(values), shape, dtype_of<T>);
  } else {
    using Wide = std::conditional_t<std::is_integral_v<T>, std::int64_t, double>;
    std::vector<Wide> wide;
    for (std::size_t i = 0; i < std::size(values); ++i) {
      if constexpr (std::is_unsigned_v<T> && sizeof(T) == sizeof(Wide))
        if (std::data(values)[i] > static_cast<T>(std::numeric_limits<Wide>::max()))
          detail::fail_too_large(i);
      wide.push_back(static_cast<Wide>(std::data(values)[i]));
    }
    return detail::tensor_of(wide.data(), wide.size(), shape, dtype_of<Wide>);
  }
}
template <detail::NumbersInARow R>
Tensor tensor(const R& values) {
  return tensor(values, Shape{static_cast<std::int64_t>(std::size(values))});
}
inline Tensor tensor(const std::vector<bool>& values, const Shape& shape) {
  return detail::tensor_of(values, shape);
}
inline Tensor tensor(const std::vector<bool>& values) {
  return detail::tensor_of(values, {static_cast<std::int64_t>(values.size())});
}
/// @}

/// A tensor over the caller's memory, row-major, without a copy; operators may write it. The memory
/// must outlive the tensor, all its views, and every compiled step that used the tensor or a view.
/// If `deleter` is given, it is called with the pointer when all of these are gone. T is bool,
/// std::int64_t, float or double. Throws ValueError for a null pointer to elements.
template <class T>
Tensor from_blob(T* data, const Shape& shape, std::function<void(void*)> deleter = {}) {
  static_assert(
      !std::is_const_v<T>,
      "from_blob() shares memory that operators may write: pass a pointer to numbers that "
      "are not const, or copy them with tensor(std::span(data, n))");
  static_assert(
      std::is_const_v<T> || requires { DTypeOf<T>::value; },
      "from_blob() shares memory of bool, std::int64_t, float or double: copy other "
      "numbers with tensor(std::span(data, n))");
  if constexpr (requires { DTypeOf<T>::value; })
    return detail::blob_of(data, shape, dtype_of<T>, std::move(deleter));
  else
    return {};
}
/// A tensor (n) over the numbers of a span, without a copy. See from_blob() of a pointer.
template <class T, std::size_t n>
Tensor from_blob(std::span<T, n> data) {
  return from_blob(data.data(), {static_cast<std::int64_t>(data.size())});
}
/// Throws ValueError unless the shape has no elements.
Tensor from_blob(std::nullptr_t, const Shape& shape, std::function<void(void*)> deleter = {});

/// @name Random tensors
/// The numbers are drawn from the generator. If no generator is given, they are drawn from the
/// calling thread's default_generator(). The same state of the generator gives the same numbers on
/// every platform, for any number of threads (see random.h).
/// @{
Tensor rand(const Shape& shape, DType dtype = kFloat32);  ///< uniform in [0, 1)
Tensor rand(const Shape& shape, Generator& generator, DType dtype = kFloat32);
Tensor randn(const Shape& shape, DType dtype = kFloat32);  ///< standard normal
Tensor randn(const Shape& shape, Generator& generator, DType dtype = kFloat32);
Tensor rand_like(const Tensor& t);   ///< rand() of t's shape and dtype, row-major
Tensor randn_like(const Tensor& t);  ///< randn() of t's shape and dtype, row-major
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
