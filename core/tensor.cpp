#include <descent/core/create.h>
#include <descent/core/error.h>
#include <descent/core/free_lists.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/launch.h>
#include <descent/core/memory.h>
#include <descent/core/tensor.h>

#include <new>

namespace descent {
namespace detail {

namespace {
constexpr std::size_t kHeader = 64, kSmall = 2048;  // bytes
static_assert(sizeof(Storage) <= kHeader);

/// The size class of the block that holds a Storage. If the values are small, they lie in the same
/// block, behind the Storage.
int storage_class(std::size_t bytes) {
  return class_of(bytes <= kSmall ? kHeader + bytes : sizeof(Storage));
}
}  // namespace

RefPtr<Storage> Storage::make(std::size_t bytes) {
  if (recording()) [[unlikely]]
    return t_tape->make_storage(bytes);
  const int c = storage_class(bytes);
  auto* s = new (take(c, kClasses.bytes[c])) Storage;
  s->bytes = bytes;
  if (bytes <= kSmall)
    s->data = reinterpret_cast<char*>(s) + kHeader;
  else
    try {
      s->data = allocate(bytes);
    } catch (...) {
      deallocate(s, sizeof(Storage));
      throw;
    }
  return RefPtr<Storage>(s);
}

RefPtr<Storage> Storage::make(const Body& body, DType dtype) {
  const std::size_t bytes = static_cast<std::size_t>(body.numel) * size_of(dtype);
  try {
    return make(bytes);
  } catch (const MemoryError&) {
    fail<MemoryError>("empty", "got shape ", body.shape, " of ", dtype, ", which takes ",
                      static_cast<unsigned long>(bytes),
                      " bytes, expected a tensor that fits into the memory. Hint: use smaller "
                      "batches or layers");
  }
}

RefPtr<Storage> Storage::borrow(void* data, std::size_t bytes, std::function<void(void*)> deleter) {
  std::unique_ptr<std::function<void(void*)>> end;
  if (deleter) end = std::make_unique<std::function<void(void*)>>(std::move(deleter));
  auto* s = new (allocate(sizeof(Storage))) Storage;
  s->data = data;
  s->bytes = bytes;
  s->foreign = true;
  s->deleter = std::move(end);
  return RefPtr<Storage>(s);
}

void Storage::destroy(Storage* s) noexcept {
  const bool own = !s->pool && !s->foreign;
  const int c = own ? storage_class(s->bytes) : class_of(sizeof(Storage));
  if (s->pool)
    s->pool->give_back(s->data);
  else if (s->foreign && s->deleter)
    (*s->deleter)(s->data);
  else if (own && s->bytes > kSmall)
    deallocate(s->data, s->bytes);
  s->~Storage();
  give(s, c, kClasses.bytes[c]);
}

Body* Body::make() { return new (allocate_fixed<sizeof(Body)>()) Body; }
Body* Body::make(const Body& same) { return new (allocate_fixed<sizeof(Body)>()) Body(same); }
Body* Body::make(const Body& like, DType dtype) {
  auto storage = Storage::make(like, dtype);
  return new (allocate_fixed<sizeof(Body)>()) Body(like, dtype, std::move(storage));
}

void Body::destroy(Body* b) noexcept {
  b->~Body();
  deallocate_fixed<sizeof(Body)>(b);
}

void Body::update_layout() noexcept {
  numel = shape.numel();
  std::uint64_t expected = 1;
  bool steps = true;  // so far each stride is the number of elements behind its dimension
  for (int d = shape.rank() - 1; d >= 0; --d) {
    steps &= shape[d] == 1 || strides[d] == static_cast<std::int64_t>(expected);
    expected *= static_cast<std::uint64_t>(shape[d]);
  }
  contiguous = steps || numel == 0;
}

}  // namespace detail

std::int64_t Tensor::size(std::int64_t d) const {
  if (shape().rank() == 0)
    fail<ValueError>("size", "got dimension ", d,
                     " of a scalar, expected a tensor with dimensions");
  return shape()[normalize_dim("size", d, shape().rank())];
}

bool Tensor::shares_storage(const Tensor& o) const {
  return body().storage.get() == o.body().storage.get();
}

void Tensor::throw_undefined() {
  fail<ValueError>("tensor",
                   "got an undefined tensor, expected one with values. Hint: a gradient is "
                   "undefined until backward() has reached its leaf; after w = w - lr * w.grad(), "
                   "w is no leaf any more: write w.sub_(lr * w.grad()) under a NoGradGuard");
}

const Tensor& Tensor::part() const {
  // A view whose memory nobody else has is of a copy, as that of a reshape.
  if (!body().is_view || body().storage->use_count() == 1)
    fail<ValueError>(
        "assign", "got a result of shape ", shape(),
        " on the left, expected a part of a tensor, as t[0] or t.slice(0, 1, 3). Hint: "
        "use masked_fill(), index_put() or where()");
  return *this;
}

void Tensor::check_pointer(DType wanted) const {
  detail::check_may_read("data_ptr");
  auto& exposed = body().storage->exposed;
  // Several threads may read at once: no write if the flag is set.
  if (!exposed.load(std::memory_order_relaxed)) exposed.store(true, std::memory_order_relaxed);
  if (dtype() != wanted)
    fail<DTypeError>("data_ptr", "got ", wanted, ", expected the tensor's own type, ", dtype(),
                     ". Hint: convert with .to(…)");
}

namespace {

template <class T>
T only_value(const Tensor& t) {
  if (t.numel() != 1)
    fail<ShapeError>("item", "got shape ", t.shape(),
                     ", expected one element. Hint: select one with t[i], or reduce with sum()");
  switch (t.dtype()) {
    case kBool:
      return static_cast<T>(*kernel::data<bool>(t));
    case kInt64:
      return static_cast<T>(*kernel::data<std::int64_t>(t));
    case kFloat32:
      return static_cast<T>(*kernel::data<float>(t));
    default:
      return static_cast<T>(*kernel::data<double>(t));
  }
}

}  // namespace

double Tensor::item_as_double() const {
  detail::check_may_read("item");
  return only_value<double>(*this);
}
template <>
std::int64_t Tensor::item<std::int64_t>() const {
  detail::check_may_read("item");
  return only_value<std::int64_t>(*this);
}
template <>
bool Tensor::item<bool>() const {
  detail::check_may_read("item");
  return only_value<bool>(*this);
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  detail::check_may_read("to_vector");
  const Tensor flat = kernel::contiguous(kernel::cast(*this, dtype_of<T>));
  const T* p = kernel::data<T>(flat);
  return std::vector<T>(p, p + numel());
}
template std::vector<float> Tensor::to_vector<float>() const;
template std::vector<double> Tensor::to_vector<double>() const;
template std::vector<std::int64_t> Tensor::to_vector<std::int64_t>() const;
template std::vector<bool> Tensor::to_vector<bool>() const;

}  // namespace descent
