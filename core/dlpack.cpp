#include <descent/core/create.h>
#include <descent/core/dlpack.h>
#include <descent/core/kernels/copy.h>

#include <algorithm>
#include <memory>

namespace descent {

using dlpack::DataType;
using dlpack::ManagedTensor;

namespace {

constexpr std::int32_t kCpu = 1;
constexpr std::uint8_t kInt = 0, kReal = 2, kTruth = 6;

struct Named {
  DType ours;
  DataType theirs;
};
constexpr Named kTypes[] = {{kInt64, {kInt, 64, 1}},
                            {kFloat32, {kReal, 32, 1}},
                            {kFloat64, {kReal, 64, 1}},
                            {kBool, {kTruth, 8, 1}}};

/// What a structure of ours points to.
struct Kept {
  Tensor tensor;
  Shape shape, strides;
  ManagedTensor managed{};
};

}  // namespace

ManagedTensor* to_dlpack(const Tensor& t) {
  if (t.requires_grad())
    fail<GraphError>("to_dlpack",
                     "got a tensor that requires a gradient, expected none. Hint: detach()");
  auto kept = std::make_unique<Kept>();
  kept->tensor = t;
  kept->shape = t.shape();
  kept->strides = t.strides();
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [&](const Named& n) { return n.ours == t.dtype(); });
  void* data = nullptr;  // data_ptr() notes that others may write
  switch (t.dtype()) {
    case kBool:
      data = t.data_ptr<bool>();
      break;
    case kInt64:
      data = t.data_ptr<std::int64_t>();
      break;
    case kFloat32:
      data = t.data_ptr<float>();
      break;
    default:
      data = t.data_ptr<double>();
  }
  ManagedTensor& m = kept->managed;
  m.dl_tensor = {data,
                 {kCpu, 0},
                 kept->shape.rank(),
                 type->theirs,
                 const_cast<std::int64_t*>(kept->shape.begin()),
                 const_cast<std::int64_t*>(kept->strides.begin()),
                 0};
  m.manager_ctx = kept.get();
  m.deleter = [](ManagedTensor* self) { delete static_cast<Kept*>(self->manager_ctx); };
  return &kept.release()->managed;
}

Tensor from_dlpack(ManagedTensor* m) {
  if (m == nullptr) fail<ValueError>("from_dlpack", "got a null pointer, expected a structure");
  const dlpack::PlainTensor& t = m->dl_tensor;
  if (t.device.device_type != kCpu)
    fail<ValueError>("from_dlpack", "got memory of device type ", t.device.device_type,
                     ", expected 1, the CPU's");
  const auto* type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const Named& n) {
    return n.theirs.code == t.dtype.code && n.theirs.bits == t.dtype.bits && t.dtype.lanes == 1;
  });
  if (type == std::end(kTypes))
    fail<DTypeError>("from_dlpack", "got elements of code ", int{t.dtype.code}, " with ",
                     int{t.dtype.bits}, " bits, expected bool, int64, float32 or float64");
  if (t.ndim < 0 || t.ndim > Shape::kMaxRank)
    fail<ValueError>("from_dlpack", "got ", t.ndim, " dimensions, expected at most ",
                     Shape::kMaxRank);
  Shape shape, strides;
  for (std::int32_t d = 0; d < t.ndim; ++d) shape.push_back(t.shape[d]);
  kernel::check_size("from_dlpack", shape);
  if (t.data == nullptr && shape.numel() > 0)
    fail<ValueError>("from_dlpack", "got a null pointer for shape ", shape,
                     ", expected the address of elements");
  for (std::int32_t d = 0; t.strides && d < t.ndim; ++d) strides.push_back(t.strides[d]);
  if (!t.strides) strides = shape.contiguous_strides();
  std::int64_t last = 0;  // the place of the last element
  for (int d = 0; d < shape.rank(); ++d) {
    if (strides[d] < 0 && shape[d] > 1)
      fail<ValueError>("from_dlpack", "got strides ", strides, ", expected none below 0");
    last += std::max<std::int64_t>(shape[d] - 1, 0) * strides[d];
  }
  const bool none = shape.numel() == 0;
  char* const data = static_cast<char*>(t.data) + t.byte_offset;
  const Tensor whole =
      detail::blob_of(none ? nullptr : data, {none ? 0 : last + 1}, type->ours, [m](void*) {
        if (m->deleter) m->deleter(m);
      });
  return none ? whole.reshape(shape) : kernel::view_of(whole, shape, strides, 0);
}

}  // namespace descent
