// A tensor's memory as a span, or as an mdspan where the standard library has it, without a copy.
//
// The view is valid as long as a tensor shares the memory, and until Module::to(), set_data() or an
// assignment to a module's parameter gives the tensor other memory. Autograd does not notice a
// write through the view. In a debug build of the library, memory that no tensor shares any more is
// filled with NaN. Under the address sanitizer, a use of it ends the program with a report.
#pragma once

#include <descent/core/tensor.h>

#include <span>
#include <version>
#ifdef __cpp_lib_mdspan
#include <array>
#include <mdspan>
#endif

namespace descent {

/// The elements of a contiguous tensor in row-major order. T is the tensor's exact type: bool,
/// std::int64_t, float or double. Throws DTypeError for another type, ShapeError if the tensor is
/// not contiguous.
///
///   for (float& x : span_of<float>(t)) x *= 2;
template <class T>
std::span<T> span_of(const Tensor& t) {
  if (!t.is_contiguous())
    fail<ShapeError>("span_of", "got a tensor of shape ", t.shape(), " and strides ", t.strides(),
                     ", expected a contiguous one. Hint: contiguous() copies");
  return {t.data_ptr<T>(), static_cast<std::size_t>(t.numel())};
}

#ifdef __cpp_lib_mdspan
/// A tensor of `rank` dimensions with its strides. Throws ShapeError for another number of
/// dimensions, DTypeError for another type.
template <class T, std::size_t rank>
auto mdspan_of(const Tensor& t) {
  if (t.dim() != static_cast<std::int64_t>(rank))
    fail<ShapeError>("mdspan_of", "got ", t.shape(), ", expected ", rank, " dimensions");
  std::array<std::int64_t, rank> extents, strides;
  for (std::size_t d = 0; d < rank; ++d) {
    extents[d] = t.shape()[static_cast<int>(d)];
    strides[d] = t.strides()[static_cast<int>(d)];
  }
  using Extents = std::dextents<std::int64_t, rank>;
  return std::mdspan<T, Extents, std::layout_stride>(
      t.data_ptr<T>(), std::layout_stride::mapping<Extents>(Extents(extents), strides));
}
#endif

}  // namespace descent
