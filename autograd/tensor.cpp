// The members of Tensor that differentiate: leaves and gradients, copies, writes in place, and the
// operators that can be chained.
#include <descent/autograd/engine.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/autograd/parameter.h>
#include <descent/core/create.h>
#include <descent/core/kernels/accumulate.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/launch.h>

#include <algorithm>

namespace descent {

using detail::Grads;
using detail::Leaf;
using detail::Need;
using detail::Node;
using detail::node_of;
using detail::record;
using detail::RefPtr;

// ---- leaves and gradients ----

bool Tensor::requires_grad() const noexcept { return node_of(*this) != nullptr; }

bool Tensor::is_leaf() const noexcept {
  const Node* node = node_of(*this);
  return !node || node->is_leaf();
}

const Tensor& Tensor::requires_grad_(bool on) const {
  if (!is_leaf())
    fail<GraphError>("requires_grad_", "got the result of '", node_of(*this)->name,
                     "', expected a leaf. Hint: detach() it first");
  if (on && !is_floating(dtype()))
    fail<DTypeError>("requires_grad_", "got dtype ", dtype(),
                     ", expected float32 or float64. Hint: convert it with .to(kFloat32)");
  if (on == requires_grad()) return *this;
  if (on) {
    const RefPtr<detail::GradEdge> leaf(new Leaf(*this));
    if (detail::recording()) detail::t_tape->first_touch(leaf);  // its gradient is made inside
    body().edge = leaf;
  } else {
    body().edge = RefPtr<detail::GradEdge>();
  }
  return *this;
}

void zero_grad(const Parameters& parameters) {
  for (const Parameter& p : parameters)
    if (p.value.requires_grad()) p.value.zero_grad();
}

namespace {
const Tensor kNoGradient;
}

const Tensor& grad_of(const Tensor& t) {
  const Node* node = node_of(t);
  if (!node) return kNoGradient;
  if (node->is_leaf()) return detail::leaf_grad(static_cast<const Leaf&>(*node));
  return node->extra ? node->extra->grad : kNoGradient;
}

Tensor Tensor::grad() const { return grad_of(*this); }

void Tensor::set_grad(const Tensor& g) const {
  Node* node = node_of(*this);
  if (!node || !node->is_leaf())
    fail<GraphError>("set_grad",
                     "got a tensor that is no leaf requiring a gradient. Hint: only "
                     "leaves collect gradients");
  if (g.defined() && !(g.shape() == shape()))
    fail<ShapeError>("set_grad", "got a gradient of shape ", g.shape(), ", expected ", shape());
  if (g.defined() && g.dtype() != dtype())
    fail<DTypeError>("set_grad", "got a gradient of ", g.dtype(), ", expected ", dtype());
  detail::set_leaf_grad(static_cast<Leaf&>(*node), g);
}

void Tensor::backward(const Tensor& gradient, GradOptions options) const {
  detail::run_backward({this, 1}, {&gradient, gradient.defined() ? std::size_t{1} : 0}, options);
}

namespace {
Node::Extra& extra_of(const char* op, const Tensor& t) {
  Node* node = node_of(t);
  if (!node)
    fail<GraphError>(op,
                     "got a tensor that requires no gradient. Hint: call requires_grad_() first");
  if (!node->extra) node->extra = std::make_unique<Node::Extra>();
  return *node->extra;
}
}  // namespace

void Tensor::retain_grad() const {
  if (!is_leaf()) extra_of("retain_grad", *this).retain = true;
}

void Tensor::register_hook(std::function<Tensor(const Tensor&)> f) const {
  if (!f) fail<ValueError>("register_hook", "got an empty function, expected one to call");
  extra_of("register_hook", *this).hooks.push_back(std::move(f));
}

Tensor Tensor::detach() const { return detail::alias(*this); }

std::string Tensor::grad_fn() const { return is_leaf() ? "" : node_of(*this)->name; }

// ---- copies ----

Tensor Tensor::clone() const {
  return record("clone", kernel::clone(*this), {*this},
                [](const Tensor& g, Need) { return Grads(g); });
}

Tensor Tensor::contiguous() const {
  if (is_contiguous()) return *this;
  return record("contiguous", kernel::contiguous(*this), {*this},
                [](const Tensor& g, Need) { return Grads(g); });
}

Tensor Tensor::to(DType wanted) const {
  if (wanted == dtype()) return *this;
  Tensor converted = kernel::cast(*this, wanted);
  if (!is_floating(wanted)) return converted;
  return record("to", converted, {*this}, [](const Tensor& g, Need) { return Grads(g); });
}

void set_data(const Tensor& t, const Tensor& value) {
  if (!t.is_leaf())
    fail<GraphError>("set_data", "got the result of '", node_of(t)->name, "', expected a leaf");
  detail::Body &to = t.body(), &from = value.body();
  // Marks whatever rules saved of t as stale.
  from.storage->version = std::max(from.storage->version, to.storage->version) + 1;
  to.storage = from.storage;
  to.shape = from.shape;
  to.strides = from.strides;
  to.offset = from.offset;
  to.dtype = from.dtype;
  to.update_layout();
  if (Node* node = node_of(t)) {
    node->shape = to.shape;
    node->dtype = to.dtype;
    static_cast<Leaf*>(node)->grad = Tensor();
    static_cast<Leaf*>(node)->kept.clear();
  }
}

// ---- writes in place ----

namespace {

/// The value of t before a write. While operators are recorded, returns a copy with t's history,
/// which a rule may keep. If a rule kept t itself, t would have other values in backward(), and the
/// rule would be part of its own history.
Tensor before_write(const Tensor& t) {
  if (!grad_enabled()) return t;
  Tensor old = kernel::clone(t);
  old.body().edge = t.body().edge;
  return old;
}

/// Writes `value` to t; the history of `value` becomes t's. If operators are recorded, throws
/// GraphError for a leaf that requires a gradient.
const Tensor& write(const char* name, const Tensor& t, const Tensor& value) {
  detail::Body& body = t.body();
  const bool records = grad_enabled() && (t.requires_grad() || value.requires_grad());
  if (records && t.requires_grad() && t.is_leaf())
    fail<GraphError>(name,
                     "got a leaf that requires a gradient, expected to write to it where "
                     "nothing is recorded. Hint: put a NoGradGuard around the update");
  if (records && body.is_view)
    fail<GraphError>(name, "got a view of shape ", t.shape(),
                     " while recording, expected a tensor of its own. Hint: clone() it first, or "
                     "build the result with cat() or where()");
  if (kernel::repeats_elements(t))
    fail<ShapeError>(
        name, "got an expanded tensor of shape ", t.shape(),
        ", expected one whose elements have memory of their own. Hint: clone() it first");
  if (!(broadcast_shapes(name, t.shape(), value.shape()) == t.shape()))
    fail<ShapeError>(name, "got ", t.shape(), " and ", value.shape(),
                     ", expected a result of the first shape. Hint: only the other operand may be "
                     "broadcast");
  if (value.dtype() > t.dtype())
    fail<DTypeError>(name, "got a result of ", value.dtype(), " for a tensor of ", t.dtype(),
                     ", expected no wider type. Hint: convert with .to()");
  const auto edge = value.shape() == t.shape() || !records ? value.body().edge
                                                           : value.expand(t.shape()).body().edge;
  kernel::overwrite(value, t);
  if (records) {
    ++body.storage->recorded;
    body.edge = edge;
  }
  return t;
}

/// Adds factor·o to t in one pass and returns true. If operators are recorded, or the layouts of t
/// and o in memory differ, changes nothing and returns false. The result has the same bits as t +
/// o·factor.
bool add_at_once(const Tensor& t, const Tensor& o, double factor) {
  if (grad_enabled() || !kernel::can_accumulate(t, o)) return false;
  kernel::accumulate(t, o, factor);
  detail::count_write(t);
  return true;
}

}  // namespace

const Tensor& Tensor::add_(const Tensor& o) const {
  if (add_at_once(*this, o, 1)) return *this;
  return write("add_", *this, add(before_write(*this), o));
}
const Tensor& Tensor::add_(const Tensor& o, Scalar alpha) const {
  if (add_at_once(*this, o, alpha.to_double())) return *this;
  return write("add_", *this,
               add(before_write(*this), (o.is_same(*this) ? before_write(o) : o) * alpha));
}
const Tensor& Tensor::sub_(const Tensor& o) const {
  if (add_at_once(*this, o, -1)) return *this;
  return write("sub_", *this, sub(before_write(*this), o));
}
const Tensor& Tensor::mul_(const Tensor& o) const {
  return write("mul_", *this, mul(before_write(*this), o.is_same(*this) ? before_write(o) : o));
}
const Tensor& Tensor::div_(const Tensor& o) const {
  return write("div_", *this, div(before_write(*this), o.is_same(*this) ? before_write(o) : o));
}
const Tensor& Tensor::add_(Scalar s) const { return write("add_", *this, before_write(*this) + s); }
const Tensor& Tensor::sub_(Scalar s) const { return write("sub_", *this, before_write(*this) - s); }
const Tensor& Tensor::mul_(Scalar s) const { return write("mul_", *this, before_write(*this) * s); }
const Tensor& Tensor::div_(Scalar s) const { return write("div_", *this, before_write(*this) / s); }
const Tensor& Tensor::relu_() const {
  return write("relu_", *this, descent::relu(before_write(*this)));
}
const Tensor& Tensor::clamp_(std::optional<Scalar> low, std::optional<Scalar> high) const {
  return write("clamp_", *this, descent::clamp(before_write(*this), low, high));
}
const Tensor& Tensor::copy_(const Tensor& o) const {
  // A node of its own: with o's node, this tensor would count as o's leaf.
  const Tensor own = o.shares_storage(*this) ? kernel::clone(o) : detail::alias(o);
  const Tensor source = record("copy_", own, {o}, [](const Tensor& g, Need) { return Grads(g); });
  return write("copy_", *this, source.to(dtype()).expand(shape()));
}
const Tensor& Tensor::fill_(Scalar value) const {
  return write("fill_", *this, full({}, value, dtype()));
}

const Tensor& operator+=(const Tensor& a, const Tensor& b) { return a.add_(b); }
const Tensor& operator-=(const Tensor& a, const Tensor& b) { return a.sub_(b); }
const Tensor& operator*=(const Tensor& a, const Tensor& b) { return a.mul_(b); }
const Tensor& operator/=(const Tensor& a, const Tensor& b) { return a.div_(b); }

const Tensor& operator+=(const Tensor& a, Scalar b) { return a.add_(b); }
const Tensor& operator-=(const Tensor& a, Scalar b) { return a.sub_(b); }
const Tensor& operator*=(const Tensor& a, Scalar b) { return a.mul_(b); }
const Tensor& operator/=(const Tensor& a, Scalar b) { return a.div_(b); }

// ---- operators that can be chained ----

Tensor Tensor::index_select(std::int64_t d, const Tensor& i) const {
  return descent::index_select(*this, d, i);
}
Tensor Tensor::gather(std::int64_t d, const Tensor& i) const {
  return descent::gather(*this, d, i);
}
Tensor Tensor::masked_fill(const Tensor& m, Scalar v) const {
  return descent::masked_fill(*this, m, v);
}
Tensor Tensor::abs() const { return descent::abs(*this); }
Tensor Tensor::exp() const { return descent::exp(*this); }
Tensor Tensor::log() const { return descent::log(*this); }
Tensor Tensor::sqrt() const { return descent::sqrt(*this); }
Tensor Tensor::square() const { return descent::square(*this); }
Tensor Tensor::pow(Scalar e) const { return descent::pow(*this, e); }
Tensor Tensor::any(const Dims& d, bool k) const { return descent::any(*this, d, k); }
Tensor Tensor::all(const Dims& d, bool k) const { return descent::all(*this, d, k); }
Tensor Tensor::isnan() const { return descent::isnan(*this); }
Tensor Tensor::repeat(const Shape& times) const { return descent::repeat(*this, times); }
Tensor Tensor::flip(const Dims& d) const { return descent::flip(*this, d); }
Tensor Tensor::scatter(std::int64_t d, const Tensor& i, const Tensor& s) const {
  return descent::scatter(*this, d, i, s);
}
Tensor Tensor::scatter_add(std::int64_t d, const Tensor& i, const Tensor& s) const {
  return descent::scatter_add(*this, d, i, s);
}
Tensor Tensor::masked_select(const Tensor& m) const { return descent::masked_select(*this, m); }
Tensor Tensor::argsort(std::int64_t d, bool descending) const {
  return descent::argsort(*this, d, descending);
}
Tensor Tensor::cumsum(std::int64_t d) const { return descent::cumsum(*this, d); }
Tensor Tensor::norm(double p, const Dims& d, bool keepdim) const {
  return descent::norm(*this, p, d, keepdim);
}
Tensor Tensor::nonzero() const { return descent::nonzero(*this); }
Tensor Tensor::tanh() const { return descent::tanh(*this); }
Tensor Tensor::sigmoid() const { return descent::sigmoid(*this); }
Tensor Tensor::relu() const { return descent::relu(*this); }
Tensor Tensor::clamp(std::optional<Scalar> l, std::optional<Scalar> h) const {
  return descent::clamp(*this, l, h);
}
Tensor Tensor::matmul(const Tensor& o) const { return descent::matmul(*this, o); }
Tensor Tensor::sum(const Dims& d, bool k) const { return descent::sum(*this, d, k); }
Tensor Tensor::mean(const Dims& d, bool k) const { return descent::mean(*this, d, k); }
Tensor Tensor::var(const Dims& d, std::int64_t c, bool k) const {
  return descent::var(*this, d, c, k);
}
Tensor Tensor::std(const Dims& d, std::int64_t c, bool k) const {
  return descent::stddev(*this, d, c, k);
}
Tensor Tensor::max(const Dims& d, bool k) const { return descent::max(*this, d, k); }
Tensor Tensor::min(const Dims& d, bool k) const { return descent::min(*this, d, k); }
Tensor Tensor::argmax(std::optional<std::int64_t> d, bool k) const {
  return descent::argmax(*this, d, k);
}
Tensor Tensor::argmin(std::optional<std::int64_t> d, bool k) const {
  return descent::argmin(*this, d, k);
}
Tensor Tensor::softmax(std::int64_t d) const { return descent::softmax(*this, d); }
Tensor Tensor::log_softmax(std::int64_t d) const { return descent::log_softmax(*this, d); }
Tensor Tensor::eq(const Tensor& o) const { return descent::eq(*this, o); }

}  // namespace descent
