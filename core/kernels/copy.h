// Making, viewing, copying and converting arrays, without gradients.
#pragma once

#include <descent/core/tensor.h>

namespace descent::kernel {

/// The address of t's first element, for a kernel that knows t's type. Valid as long as t's
/// storage.
template <class T>
T* data(const Tensor& t) {
  return static_cast<T*>(t.raw());
}

/// Throws ShapeError for a negative extent, or more elements than memory can hold, where their
/// number may overflow. Extents of 0 do not count: a view may leave them out.
void check_size(const char* op, const Shape& shape);
/// True if elements of t share memory, as expand() makes: a write to one changes another.
bool repeats_elements(const Tensor& t);
/// New memory with these strides, which must fill one block. Throws as check_size().
Tensor empty_strided(const Shape& shape, const Shape& strides, DType dtype);
/// New memory with t's shape and strides. t must be dense.
Tensor empty_as(const Tensor& t, DType dtype);

/// A view of t's storage, without a history. `offset`, in elements, counts from t's first element.
Tensor view_of(const Tensor& t, const Shape& shape, const Shape& strides, std::int64_t offset);
/// The strides of a view of t with this shape. Returns nothing if such a view needs a copy.
std::optional<Shape> view_strides(const Tensor& t, const Shape& shape);
/// A view of t, broadcast to `shape`: the stride is 0 where t is repeated. The caller has checked
/// that t broadcasts.
Tensor broadcast_to(const Tensor& t, const Shape& shape);

/// True if t's elements fill one block of memory in some order of its dimensions.
bool is_dense(const Tensor& t);
/// Returns t itself if t is row-major, and otherwise a row-major copy.
Tensor contiguous(const Tensor& t);
/// A copy. A dense tensor keeps its strides.
Tensor clone(const Tensor& t);
/// Returns t itself if t has the type, and otherwise a converted copy. If a floating number becomes
/// an integer, it is truncated toward zero. NaN becomes 0. A number that does not fit becomes the
/// nearest limit of the integer type. Any number but 0 becomes true.
Tensor cast(const Tensor& t, DType dtype);
/// Writes `from`, broadcast and converted, to every element of `to`. Does not count the write. For
/// a new tensor that nobody else uses yet. Takes no memory, and therefore throws nothing, if `from`
/// is a clone of a tensor of the same shape, type and strides as `to`.
void copy(const Tensor& from, const Tensor& to);
/// Writes `source`, broadcast and converted, to every element of `target`, and counts the write:
/// what autograd saved of the target before is stale. For a tensor that others use too, such as a
/// parameter.
void overwrite(const Tensor& source, const Tensor& target);
/// Writes `value`, converted, to every element of t. Does not count the write.
void fill(const Tensor& t, Scalar value);

}  // namespace descent::kernel
