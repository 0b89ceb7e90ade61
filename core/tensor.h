// Tensor: an array of numbers of one type, with up to eight dimensions.
//
//   Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}});  // float32, (2, 2)
//   Tensor y = x.t().matmul(x);
//
// A Tensor is a handle. Copying a Tensor copies the handle: both handles name the same tensor.
// clone() copies the values. A view, such as x.t(), is another tensor in the same memory.
//
// A member is const if it does not change the handle, even if it writes values: add_() is const.
// A const pointer works in the same way: it does not forbid writing to what it points to.
//
// Threads: several threads may read one tensor. While a thread writes to a tensor, no other thread
// may use it or a view of it.
//
// Autograd defines the members that differentiate. Core declares these members, so that there is
// only one type Tensor.
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

/// A list of dimensions. For a reduction an empty list means all dimensions.
using Dims = Shape;
/// The default end of a slice: the slice goes on to the last index.
inline constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

/// A handle to a reference-counted, strided array of numbers of one type. Copying a Tensor copies
/// the handle: both handles name the same numbers. See the top of this file.
class Tensor {
 public:
  /// An undefined tensor. All members but defined() throw ValueError for an undefined tensor.
  Tensor() noexcept = default;
  Tensor(const Tensor&) noexcept = default;               ///< another handle to the same tensor
  Tensor(Tensor&&) noexcept = default;                    ///< leaves the other handle undefined
  Tensor& operator=(const Tensor&) & noexcept = default;  ///< this handle now names that tensor
  Tensor& operator=(Tensor&&) & noexcept = default;       ///< the same
  ~Tensor() = default;
  /// Assigning to a part of a tensor writes the elements of that part, as copy_() or fill_() does.
  /// Throws ValueError unless the left side is a view: the elements of an operator's result are
  /// gone at the end of the statement.
  ///
  ///   t[0] = ones({3});
  ///   t.slice(1, 0, 2) = 0;
  /// @{
  const Tensor& operator=(const Tensor& o) && { return part().copy_(o); }
  const Tensor& operator=(Scalar value) && { return part().fill_(value); }
  /// @}

  // ---- what it is ----

  /// True unless this is an undefined tensor, such as a gradient that nobody has computed.
  bool defined() const noexcept { return static_cast<bool>(body_); }
  /// The extents; () for a scalar.
  const Shape& shape() const { return body().shape; }
  /// The same as shape().
  const Shape& sizes() const { return shape(); }
  /// For each dimension the distance of neighbours in memory, in elements. The distance is 0 where
  /// elements are repeated.
  const Shape& strides() const { return body().strides; }
  /// Number of dimensions.
  std::int64_t dim() const { return body().shape.rank(); }
  /// Number of elements.
  std::int64_t numel() const { return body().numel; }
  /// Type of the elements.
  DType dtype() const { return body().dtype; }
  /// True if the elements lie one behind the other in row-major order.
  bool is_contiguous() const { return body().contiguous; }
  /// Extent of dimension d; negative counts from the last. Throws ValueError out of range.
  std::int64_t size(std::int64_t d) const;
  /// True if both handles name the same tensor.
  bool is_same(const Tensor& o) const noexcept { return body_.get() == o.body_.get(); }
  /// True if both tensors lie in the same memory, as a view and its base do.
  bool shares_storage(const Tensor& o) const;
  /// How often this tensor, or a tensor that shares its memory, was written to in place.
  std::uint32_t version() const { return body().storage->version; }

  // ---- its values ----

  /// The address of the first element; neighbours lie strides() apart. T must be the exact type:
  /// bool, std::int64_t, float or double. Throws DTypeError otherwise, GraphError inside compile().
  /// The address is valid as long as a tensor shares the memory, and until Module::to() or
  /// set_data() replaces the memory. Autograd does not notice a write through the pointer.
  template <class T>
  T* data_ptr() const {
    check_pointer(dtype_of<T>);
    return static_cast<T*>(raw());
  }
  /// The address that data_ptr() returns, without a type and without checks. For kernels.
  void* raw() const {
    return static_cast<char*>(body().storage->data) +
           static_cast<std::size_t>(body().offset) * size_of(body().dtype);
  }
  /// The value of a tensor with one element, converted to T. Throws ShapeError for another number
  /// of elements, GraphError inside compile().
  template <class T = double>
  T item() const {
    return static_cast<T>(item_as_double());
  }
  /// All values in row-major order, converted to T: bool, std::int64_t, float or double. Throws
  /// GraphError inside compile().
  template <class T = double>
  std::vector<T> to_vector() const;

  // ---- autograd ----

  /// True for a leaf that collects a gradient, and for a tensor that was computed from such a leaf.
  bool requires_grad() const noexcept;
  /// If `on` is true, makes this leaf collect a gradient. If false, makes it stop. Returns this
  /// tensor. Throws GraphError unless the tensor is a leaf, DTypeError unless the tensor has a
  /// floating type.
  const Tensor& requires_grad_(bool on = true) const;
  /// True unless a recorded operator made the tensor.
  bool is_leaf() const noexcept;
  /// The gradient collected so far, a tensor of this shape; undefined if there is none. grad_of()
  /// gives the same by reference.
  Tensor grad() const;
  /// Replaces the gradient; an undefined g drops it. Throws GraphError unless this is a leaf that
  /// requires a gradient, ShapeError or DTypeError if g does not fit.
  void set_grad(const Tensor& g) const;
  /// Drops the gradient.
  void zero_grad() const { set_grad(Tensor()); }
  /// Adds d(this)/d(leaf) to the gradient of every leaf that this tensor was computed from.
  /// gradient: d(loss)/d(this), of this tensor's shape; 1 by default, if there is one element.
  /// Throws ShapeError if this tensor has several elements and no gradient is given, or if the
  /// given gradient has another shape. Throws GraphError if this tensor has no history, or if an
  /// earlier run freed the graph.
  ///
  ///   Tensor loss = mean(square(model(x) - y));
  ///   loss.backward();
  void backward(const Tensor& gradient = {}, GradOptions options = {}) const;
  /// Makes backward() keep the gradient of a tensor that is not a leaf. grad() then returns this
  /// gradient.
  void retain_grad() const;
  /// Makes backward() call f with the gradient of this tensor, once the gradient is complete. If f
  /// returns a defined tensor, this tensor replaces the gradient. If f returns an undefined tensor,
  /// the gradient stays. Throws GraphError unless the tensor requires a gradient.
  void register_hook(std::function<Tensor(const Tensor&)> f) const;
  /// A tensor with the same memory and without a history.
  Tensor detach() const;
  /// Name of the operator that made the tensor; "" for a leaf.
  std::string grad_fn() const;

  // ---- copies: differentiable ----

  /// A copy in memory of its own.
  Tensor clone() const;
  /// Returns the tensor itself if it is contiguous, and otherwise a contiguous copy.
  Tensor contiguous() const;
  /// Returns the tensor itself if it has the dtype, and otherwise a converted copy. Floating
  /// numbers become integers by truncation; any number but 0 becomes true.
  Tensor to(DType dtype) const;

  // ---- views: they share the memory, and are differentiable ----

  /// The same elements in another shape. One extent may be -1: it then follows from the others. If
  /// no view can have this shape, copies. Throws ShapeError unless the numbers of elements agree.
  Tensor reshape(const Shape& shape) const;
  /// Does what reshape() does, but throws ShapeError if a copy would be needed.
  Tensor view(const Shape& shape) const;
  /// Joins the dimensions first … last into one. A scalar becomes (1,).
  Tensor flatten(std::int64_t first = 0, std::int64_t last = -1) const;
  /// Swaps two dimensions.
  Tensor transpose(std::int64_t a, std::int64_t b) const;
  /// The transpose of a matrix. A scalar or a vector is returned unchanged. Throws ShapeError for
  /// more dimensions.
  Tensor t() const;
  /// Dimension i of the result is dimension order[i] of this tensor. Throws ValueError unless order
  /// holds each dimension once.
  Tensor permute(const Dims& order) const;
  /// Drops all extents of 1.
  Tensor squeeze() const;
  /// Drops dimension d if its extent is 1.
  Tensor squeeze(std::int64_t d) const;
  /// Inserts an extent of 1 as dimension d.
  Tensor unsqueeze(std::int64_t d) const;
  /// Repeats the elements along dimensions of extent 1, without a copy, so that the result has the
  /// shape `shape`. An extent of -1 in `shape` keeps the present extent. Throws ShapeError if
  /// another extent would change.
  Tensor expand(const Shape& shape) const;
  /// Every step-th index of [begin, end) along d. As in Python, a negative limit counts from the
  /// end, and a limit beyond the end counts as the end. Throws ValueError for a step below 1.
  ///
  ///   arange(10).slice(0, 2, 8, 3)  // 2, 5
  Tensor slice(std::int64_t d, std::int64_t begin, std::int64_t end = kEnd,
               std::int64_t step = 1) const;
  /// The slice at one index, without dimension d. Throws ValueError for an index out of range.
  Tensor select(std::int64_t d, std::int64_t index) const;
  /// `length` indices from `begin` along d. Throws ValueError unless all of them exist.
  Tensor narrow(std::int64_t d, std::int64_t begin, std::int64_t length) const;
  /// The same as select(0, index).
  Tensor operator[](std::int64_t index) const { return select(0, index); }

  /// @name Operators that can be chained
  /// Each member is the free function with the same name, with this tensor as the first operand.
  /// <descent/autograd/ops.h> documents the functions. std() is stddev().
  /// @{
  Tensor index_select(std::int64_t d, const Tensor& index) const;
  Tensor gather(std::int64_t d, const Tensor& index) const;
  Tensor masked_fill(const Tensor& mask, Scalar value) const;
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
  Tensor any(const Dims& dims = {}, bool keepdim = false) const;
  Tensor all(const Dims& dims = {}, bool keepdim = false) const;
  Tensor isnan() const;
  Tensor repeat(const Shape& times) const;
  Tensor flip(const Dims& dims) const;
  Tensor scatter(std::int64_t d, const Tensor& index, const Tensor& src) const;
  Tensor scatter_add(std::int64_t d, const Tensor& index, const Tensor& src) const;
  Tensor masked_select(const Tensor& mask) const;
  Tensor argsort(std::int64_t d = -1, bool descending = false) const;
  Tensor cumsum(std::int64_t d) const;
  Tensor norm(double p = 2, const Dims& dims = {}, bool keepdim = false) const;
  Tensor nonzero() const;
  /// @}

  /// @name In place
  /// Writes the result to this tensor, counts a write, and returns this tensor. Autograd records
  /// the write. o broadcasts to this tensor's shape. Throws ShapeError if the result has another
  /// shape, DTypeError if it has a wider type. While operators are recorded, throws GraphError if
  /// this is a view, or a leaf that requires a gradient.
  /// @{
  const Tensor& add_(const Tensor& o) const;
  const Tensor& add_(const Tensor& o, Scalar alpha) const;  ///< this += alpha · o
  const Tensor& sub_(const Tensor& o) const;
  const Tensor& mul_(const Tensor& o) const;
  const Tensor& div_(const Tensor& o) const;
  const Tensor& add_(Scalar s) const;
  const Tensor& sub_(Scalar s) const;
  const Tensor& mul_(Scalar s) const;
  const Tensor& div_(Scalar s) const;
  const Tensor& copy_(const Tensor& o) const;  ///< this = o, converted to this tensor's type
  const Tensor& fill_(Scalar value) const;
  const Tensor& zero_() const { return fill_(0); }
  const Tensor& relu_() const;
  const Tensor& clamp_(std::optional<Scalar> low, std::optional<Scalar> high = {}) const;
  /// @}

  /// The values as text, then shape, dtype and whether the tensor requires a gradient. Long
  /// dimensions are shortened.
  std::string to_string() const;

  // For the parts of Descent that build tensors.

  /// A handle to `body`.
  explicit Tensor(detail::RefPtr<detail::Body> body) noexcept : body_(std::move(body)) {}
  /// What the handle points to. Throws ValueError for an undefined tensor.
  detail::Body& body() const {
    if (!body_) [[unlikely]]
      throw_undefined();
    return *body_;
  }

 private:
  [[noreturn]] static void throw_undefined();
  const Tensor& part() const;
  void check_pointer(DType wanted) const;
  double item_as_double() const;

  detail::RefPtr<detail::Body> body_;
};

/// @name item() of integers
/// Integers and bools are read exactly, without a conversion to double.
/// @{
template <>
std::int64_t Tensor::item<std::int64_t>() const;
template <>
bool Tensor::item<bool>() const;
/// @}
extern template std::vector<float> Tensor::to_vector<float>() const;
extern template std::vector<double> Tensor::to_vector<double>() const;
extern template std::vector<std::int64_t> Tensor::to_vector<std::int64_t>() const;
extern template std::vector<bool> Tensor::to_vector<bool>() const;

/// Writes t.to_string().
std::ostream& operator<<(std::ostream& out, const Tensor& t);

}  // namespace descent
