// Making, viewing, copying and converting arrays, without gradients.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// Where t's elements are; for kernels, which know its type.
template <class T>
T* data(const Tensor& t) {
  return static_cast<T*>(t.raw());
}

Tensor empty_strided(const Shape& shape, const Shape& strides, DType dtype);
/// Of t's shape and strides; t is dense.
Tensor empty_as(const Tensor& t, DType dtype);

/// A view of t's storage; `offset` is relative to t's first element. Keeps no gradient edge.
Tensor view_of(const Tensor& t, const Shape& shape, const Shape& strides, std::int64_t offset);
/// The strides under which t can be seen as `shape` without a copy, or nothing.
std::optional<Shape> view_strides(const Tensor& t, const Shape& shape);
/// t broadcast to `shape` (stride 0 where it is repeated); the caller has checked that it fits.
Tensor broadcast_to(const Tensor& t, const Shape& shape);

/// True when t's elements fill one block of memory in some order of its dimensions.
bool is_dense(const Tensor& t);
/// t itself when it is row-major, else a row-major copy.
Tensor contiguous(const Tensor& t);
/// A copy; keeps the strides of a dense tensor.
Tensor clone(const Tensor& t);
/// t itself when it has the type, else a converted copy. Floating to integer truncates toward
/// zero (NaN becomes 0, what does not fit the nearest limit); anything but 0 becomes true.
Tensor cast(const Tensor& t, DType dtype);
/// Writes `from`, broadcast and converted, to every element of `to`. Counts no write: for a tensor
/// that nobody has seen yet.
void copy(const Tensor& from, const Tensor& to);
/// Writes `source`, broadcast and converted, to every element of `target`, and counts the write:
/// what autograd saved of the target before is stale. For a tensor that others know, such as a
/// parameter.
void overwrite(const Tensor& source, const Tensor& target);
/// Writes `value`, converted, to every element of t. Counts no write.
void fill(const Tensor& t, Scalar value);

}  // namespace descent::kernel
