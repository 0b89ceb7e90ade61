// DLPack: tensors of other frameworks over the same memory, without a copy. Optional: descent.h
// does not include this header. The structures are those of DLPack 0.8 (dlpack.h): a program that
// has its own may cast between the pointers.
//
//   DLManagedTensor* m = reinterpret_cast<DLManagedTensor*>(to_dlpack(t));
//   Tensor t = from_dlpack(reinterpret_cast<dlpack::ManagedTensor*>(m));
#pragma once

#include <descent/core/tensor.h>

#include <cstdint>

namespace descent {

namespace dlpack {
/// Where memory is: device_type 1 is the CPU.
struct Device {
  std::int32_t device_type;  ///< 1 for the CPU
  std::int32_t device_id;    ///< 0
};
/// The type of an element.
struct DataType {
  std::uint8_t code;    ///< 0 int, 1 unsigned int, 2 float, 6 bool
  std::uint8_t bits;    ///< of an element
  std::uint16_t lanes;  ///< 1
};
/// A strided array.
struct PlainTensor {
  void* data;                 ///< the address from which byte_offset counts
  Device device;              ///< where the memory is
  std::int32_t ndim;          ///< number of dimensions
  DataType dtype;             ///< of the elements
  std::int64_t* shape;        ///< ndim extents
  std::int64_t* strides;      ///< ndim strides in elements, or null for row-major
  std::uint64_t byte_offset;  ///< of the first element
};
/// A strided array with its owner.
struct ManagedTensor {
  PlainTensor dl_tensor;            ///< the array
  void* manager_ctx;                ///< the owner's
  void (*deleter)(ManagedTensor*);  ///< frees the structure and what it owns; may be null
};
}  // namespace dlpack

/// The memory of a tensor for another framework. It stays until the framework calls the deleter.
/// Throws GraphError for a tensor with a history or that requires a gradient: detach() it.
dlpack::ManagedTensor* to_dlpack(const Tensor& t);
/// A tensor over another framework's memory. Calls its deleter when the tensor, all views and all
/// compiled steps that used them are gone. Throws DTypeError for elements that are not bool, int64,
/// float32 or float64, ShapeError for a negative or too large extent, and ValueError for memory
/// that is not the CPU's, a null pointer, a negative stride or more than eight dimensions. If it
/// throws, the structure is still the caller's.
Tensor from_dlpack(dlpack::ManagedTensor* m);

}  // namespace descent
