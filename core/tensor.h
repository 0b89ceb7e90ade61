// Tensor: a handle to a reference-counted, strided, typed array, with an optional edge into the
// graph of autograd. Copying a Tensor copies the handle; clone() copies the values.
//
// The members that differentiate are declared here, so that there is one type, and defined in
// autograd/, which core does not know. Anything that is not a member is a free function of the
// same name in <descent/autograd/ops.h>.
//
// Reading one tensor from several threads is safe; writing to it, or to a view of it, is not.
#pragma once

#include <descent/core/dtype.h>
#include <descent/core/error.h>
#include <descent/core/grad_options.h>
#include <descent/core/scalar.h>
#include <descent/core/shape.h>
#include <descent/core/storage.h>

#include <functional>
#include <iosfwd>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace descent {

/// A list of dimensions, stored inline as a shape is. To a reduction an empty one means all.
using Dims = Shape;
/// The end of a slice when none is given.
inline constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

class Tensor {
 public:
  /// An undefined tensor: only defined() may be asked of it.
  Tensor() noexcept = default;

  // ---- what it is ----
  bool defined() const noexcept { return static_cast<bool>(body_); }
  const Shape& shape() const { return body().shape; }
  const Shape& sizes() const { return shape(); }
  const Shape& strides() const { return body().strides; }  ///< in elements
  std::int64_t dim() const { return body().shape.rank(); }
  std::int64_t numel() const { return body().numel; }
  DType dtype() const { return body().dtype; }
  bool is_contiguous() const { return body().contiguous; }
  /// Extent of one dimension; negative counts from the last. Throws ValueError.
  std::int64_t size(std::int64_t d) const;
  /// True when both handles name the same tensor.
  bool is_same(const Tensor& o) const noexcept { return body_.get() == o.body_.get(); }
  bool shares_storage(const Tensor& o) const;
  /// Counts writes in place to the storage, shared by all views.
  std::uint32_t version() const { return body().storage->version; }

  // ---- its values ----
  /// The first element. T is the exact type (bool, std::int64_t, float, double); throws DTypeError
  /// otherwise. The elements lie strides() apart. Writing through it is not seen by autograd.
  template <class T>
  T* data_ptr() const {
    check_pointer(dtype_of<T>);
    return static_cast<T*>(raw());
  }
  void* raw() const {
    return static_cast<char*>(body().storage->data) +
           static_cast<std::size_t>(body().offset) * size_of(body().dtype);
  }
  /// The value of a tensor with one element, converted to T; throws ShapeError for any other.
  template <class T = double>
  T item() const {
    return static_cast<T>(item_as_double());
  }
  /// All values in row-major order, converted to T.
  template <class T = double>
  std::vector<T> to_vector() const;

  // ---- autograd ----
  bool requires_grad() const noexcept;
  /// Makes this a leaf that collects a gradient (or stops it). Throws GraphError unless it is a
  /// leaf of a floating type. Returns this tensor.
  const Tensor& requires_grad_(bool on = true) const;
  bool is_leaf() const noexcept;
  /// The gradient collected so far; undefined when there is none.
  Tensor grad() const;
  void set_grad(const Tensor& g) const;
  void zero_grad() const { set_grad(Tensor()); }
  /// Adds d(this)/d(leaf) to the gradient of every leaf that this tensor was computed from.
  /// gradient: d(loss)/d(this), of this tensor's shape; 1 by default, if there is one element.
  /// Throws ShapeError for several elements without a gradient, or for a gradient of another shape;
  /// GraphError for a tensor without a history, or a graph that was freed by an earlier run.
  ///
  ///   Tensor loss = mean(square(model(x) - y));
  ///   loss.backward();
  void backward(const Tensor& gradient = {}, GradOptions options = {}) const;
  /// Keeps the gradient of a tensor that is no leaf.
  void retain_grad() const;
  /// Calls f with the gradient when it is complete; what f returns replaces it, unless undefined.
  void register_hook(std::function<Tensor(const Tensor&)> f) const;
  /// The same values without a history; shares storage.
  Tensor detach() const;
  /// Name of the operator that made it, "" for a leaf.
  std::string grad_fn() const;

  // ---- copies ----
  Tensor clone() const;
  Tensor contiguous() const;
  Tensor to(DType dtype) const;

  // ---- views: share storage ----
  /// One extent may be -1. Copies when no view can do it.
  Tensor reshape(const Shape& shape) const;
  /// reshape that throws ShapeError rather than copy.
  Tensor view(const Shape& shape) const;
  Tensor flatten(std::int64_t first = 0, std::int64_t last = -1) const;
  Tensor transpose(std::int64_t a, std::int64_t b) const;
  Tensor t() const;  ///< a matrix transposed; rank 0 and 1 as they are
  Tensor permute(const Dims& order) const;
  Tensor squeeze() const;
  Tensor squeeze(std::int64_t d) const;
  Tensor unsqueeze(std::int64_t d) const;
  Tensor expand(const Shape& shape) const;  ///< -1 keeps an extent
  Tensor slice(std::int64_t d, std::int64_t begin, std::int64_t end = kEnd,
               std::int64_t step = 1) const;
  Tensor select(std::int64_t d, std::int64_t index) const;
  Tensor narrow(std::int64_t d, std::int64_t begin, std::int64_t length) const;
  Tensor operator[](std::int64_t index) const { return select(0, index); }
  Tensor index_select(std::int64_t d, const Tensor& index) const;
  Tensor gather(std::int64_t d, const Tensor& index) const;
  Tensor masked_fill(const Tensor& mask, Scalar value) const;

  // ---- arithmetic members, for those who chain ----
  Tensor abs() const;
  Tensor exp() const;
  Tensor log() const;
  Tensor sqrt() const;
  Tensor square() const;
  Tensor pow(Scalar exponent) const;
  Tensor tanh() const;
  Tensor sigmoid() const;
  Tensor relu() const;
  Tensor clamp(std::optional<Scalar> low, std::optional<Scalar> high = {}) const;
  Tensor matmul(const Tensor& o) const;
  Tensor sum(const Dims& dims = {}, bool keepdim = false) const;
  Tensor mean(const Dims& dims = {}, bool keepdim = false) const;
  Tensor var(const Dims& dims = {}, std::int64_t correction = 1, bool keepdim = false) const;
  Tensor std(const Dims& dims = {}, std::int64_t correction = 1, bool keepdim = false) const;
  Tensor max(const Dims& dims = {}, bool keepdim = false) const;
  Tensor min(const Dims& dims = {}, bool keepdim = false) const;
  Tensor argmax(std::optional<std::int64_t> d = {}, bool keepdim = false) const;
  Tensor argmin(std::optional<std::int64_t> d = {}, bool keepdim = false) const;
  Tensor softmax(std::int64_t d) const;
  Tensor log_softmax(std::int64_t d) const;
  Tensor eq(const Tensor& o) const;

  // ---- in place: recorded by autograd; not allowed on a leaf that requires a gradient ----
  const Tensor& add_(const Tensor& o) const;
  const Tensor& add_(const Tensor& o, Scalar alpha) const;  ///< this += alpha · o
  const Tensor& sub_(const Tensor& o) const;
  const Tensor& mul_(const Tensor& o) const;
  const Tensor& div_(const Tensor& o) const;
  const Tensor& add_(Scalar s) const;
  const Tensor& sub_(Scalar s) const;
  const Tensor& mul_(Scalar s) const;
  const Tensor& div_(Scalar s) const;
  const Tensor& copy_(const Tensor& o) const;  ///< converts and broadcasts
  const Tensor& fill_(Scalar value) const;
  const Tensor& zero_() const { return fill_(0); }
  const Tensor& relu_() const;
  const Tensor& clamp_(std::optional<Scalar> low, std::optional<Scalar> high = {}) const;

  /// Shape, dtype, requires_grad and the values, long dimensions shortened.
  std::string to_string() const;

  // For the parts of Descent that build tensors.
  explicit Tensor(detail::RefPtr<detail::Body> body) noexcept : body_(std::move(body)) {}
  detail::Body& body() const {
    if (!body_) [[unlikely]]
      throw_undefined();
    return *body_;
  }

 private:
  [[noreturn]] static void throw_undefined();
  void check_pointer(DType wanted) const;
  double item_as_double() const;

  detail::RefPtr<detail::Body> body_;
};

template <>
std::int64_t Tensor::item<std::int64_t>() const;
template <>
bool Tensor::item<bool>() const;
extern template std::vector<float> Tensor::to_vector<float>() const;
extern template std::vector<double> Tensor::to_vector<double>() const;
extern template std::vector<std::int64_t> Tensor::to_vector<std::int64_t>() const;
extern template std::vector<bool> Tensor::to_vector<bool>() const;

std::ostream& operator<<(std::ostream& out, const Tensor& t);

}  // namespace descent
