#include <descent/autograd/engine.h>
#include <descent/autograd/functional.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>

#include <memory>
#include <set>
#include <vector>

namespace descent {

namespace {

/// True if the graph behind t has another leaf than x.
bool depends_on_others(const Tensor& t, const Tensor& x) {
  std::vector<const detail::Node*> pending;
  std::set<const detail::Node*> seen{nullptr, detail::node_of(x)};
  const auto visit = [&](const detail::Node* node) {
    if (seen.insert(node).second) pending.push_back(node);
  };
  visit(detail::node_of(t));
  while (!pending.empty()) {
    const detail::Node* const node = pending.back();
    pending.pop_back();
    if (node->is_leaf()) return true;
    for (const auto& input : node->inputs) visit(input.get());
  }
  return false;
}

/// A function at a place: x with a history of its own, and y = f(x).
struct At {
  Tensor x, y;
  bool recorded;  // whether results are to be differentiated by somebody else

  At(const char* op, const FunctionOfTensor& f, const Tensor& place)
      : recorded(grad_enabled() && place.requires_grad()) {
    if (!is_floating(place.dtype()))
      fail<DTypeError>(op, "got an input of ", place.dtype(), ", expected float32 or float64");
    const bool outside = grad_enabled();
    const EnableGradGuard record;
    // An alias of x where somebody differentiates by x already.
    x = recorded ? place.clone() : place.detach().clone().requires_grad_();
    y = f(x);
    if (!y.defined() || !is_floating(y.dtype()))
      fail<DTypeError>(op, "got a function whose result is ",
                       y.defined() ? to_string(y.dtype()) : "undefined",
                       ", expected a tensor of float32 or float64");
    recorded = recorded || (outside && depends_on_others(y, x));
  }

  /// Whether a result is to be differentiated that also depends on v.
  bool recorded_by(const Tensor& v) const {
    return grad_enabled() && (recorded || v.requires_grad());
  }
  /// What a caller gets: without a history unless somebody needs it.
  Tensor given(const Tensor& t) const { return recorded ? t : t.detach(); }
  /// Jᵀu, which can be differentiated.
  Tensor pulled(const Tensor& u) const {
    const EnableGradGuard record;
    if (!y.requires_grad()) return zeros_like(x);
    const Tensor g =
        grad({y}, {x}, {u}, {.create_graph = true, .retain_graph = true, .allow_unused = true})[0];
    return g.defined() ? g : zeros_like(x);
  }
};

void check_shape(const char* op, const char* what, const Tensor& got, const Tensor& like) {
  if (!(got.shape() == like.shape()))
    fail<ShapeError>(op, "got ", what, " of shape ", got.shape(), ", expected ", like.shape());
}
void check_scalar(const char* op, const Tensor& y) {
  if (y.numel() != 1)
    fail<ShapeError>(op, "got a function whose result is ", y.shape(),
                     ", expected one element. Hint: sum(), or jacobian()");
}

/// J·v for any v.
struct Linear {
  At at;
  // Jᵀu, which is linear in u. The u is not 0, because an operator that loses it could then not be
  // told from one whose gradient is 0.
  Tensor u, pulled;

  explicit Linear(At place)
      : at(std::move(place)), u(ones_like(at.y).requires_grad_()), pulled(at.pulled(u)) {}

  Tensor operator()(const char* op, const Tensor& v) const {
    check_shape(op, "a tangent", v, at.x);
    const bool recorded = at.recorded_by(v);
    const EnableGradGuard record;
    if (!pulled.requires_grad()) return zeros_like(at.y);
    const Tensor g =
        grad({pulled}, {u}, {v.to(pulled.dtype())},
             {.create_graph = recorded, .retain_graph = true, .allow_unused = true})[0];
    return g.defined() ? g : zeros_like(at.y);
  }
};

/// The rows f(e_0), f(e_1), … of a linear function of tensors like t.
Tensor rows_of(const FunctionOfTensor& f, const Tensor& t) {
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < t.numel(); ++i) {
    const Tensor unit = zeros({t.numel()}, t.dtype());
    {
      const NoGradGuard no_grad;
      unit.narrow(0, i, 1).fill_(1);
    }
    rows.push_back(f(unit.reshape(t.shape())).flatten());
  }
  return rows.empty() ? Tensor() : stack(rows);
}

Shape joined(const Tensor& a, const Tensor& b) {
  Shape all = a.shape();
  for (int d = 0; d < b.shape().rank(); ++d) all.push_back(b.shape()[d]);
  return all;
}

}  // namespace

std::pair<Tensor, FunctionOfTensor> vjp(const FunctionOfTensor& f, const Tensor& x) {
  const auto at = std::make_shared<const At>("vjp", f, x);
  return {at->given(at->y), [at](const Tensor& u) {
            check_shape("vjp", "a cotangent", u, at->y);
            const Tensor g = at->pulled(u);
            return at->recorded_by(u) ? g : g.detach();
          }};
}
std::pair<Tensor, Tensor> vjp(const FunctionOfTensor& f, const Tensor& x, const Tensor& u) {
  const auto [y, pull] = vjp(f, x);
  return {y, pull(u)};
}

std::pair<Tensor, FunctionOfTensor> linearize(const FunctionOfTensor& f, const Tensor& x) {
  const auto push = std::make_shared<const Linear>(At("linearize", f, x));
  return {push->at.given(push->at.y), [push](const Tensor& v) { return (*push)("linearize", v); }};
}
std::pair<Tensor, Tensor> jvp(const FunctionOfTensor& f, const Tensor& x, const Tensor& v) {
  const Linear push(At("jvp", f, x));
  return {push.at.given(push.at.y), push("jvp", v)};
}

namespace {

Tensor by_rows(const At& at) {
  const Tensor rows = rows_of([&](const Tensor& u) { return at.given(at.pulled(u)); }, at.y);
  const Shape shape = joined(at.y, at.x);
  return rows.defined() ? rows.reshape(shape) : zeros(shape, at.x.dtype());
}
Tensor by_columns(const Linear& push) {
  const Tensor& x = push.at.x;
  const Tensor columns = rows_of([&](const Tensor& v) { return push("jacfwd", v); }, x);
  const Shape shape = joined(push.at.y, x);
  return (columns.defined() ? columns.t().reshape(shape) : zeros(shape, x.dtype())).to(x.dtype());
}

}  // namespace

Tensor jacrev(const FunctionOfTensor& f, const Tensor& x) { return by_rows(At("jacrev", f, x)); }
Tensor jacfwd(const FunctionOfTensor& f, const Tensor& x) {
  return by_columns(Linear(At("jacfwd", f, x)));
}
Tensor jacobian(const FunctionOfTensor& f, const Tensor& x) {
  At at("jacobian", f, x);
  return x.numel() < at.y.numel() ? by_columns(Linear(std::move(at))) : by_rows(at);
}

std::pair<Tensor, Tensor> grad_and_value(const FunctionOfTensor& f, const Tensor& x) {
  const At at("grad_and_value", f, x);
  check_scalar("grad_and_value", at.y);
  return {at.given(at.pulled(ones_like(at.y))), at.given(at.y)};
}
Tensor hessian(const FunctionOfTensor& f, const Tensor& x) {
  return jacrev([&](const Tensor& z) { return grad_and_value(f, z).first; }, x);
}
std::pair<Tensor, Tensor> hvp(const FunctionOfTensor& f, const Tensor& x, const Tensor& v) {
  const At at("hvp", f, x);
  check_scalar("hvp", at.y);
  check_shape("hvp", "a vector", v, x);
  const Tensor g = at.pulled(ones_like(at.y));
  const bool recorded = at.recorded_by(v);
  const EnableGradGuard record;
  Tensor product;
  if (g.requires_grad())
    product = grad({g}, {at.x}, {v.to(g.dtype())},
                   {.create_graph = recorded, .retain_graph = true, .allow_unused = true})[0];
  return {at.given(at.y), product.defined() ? product : zeros_like(x)};
}
std::pair<Tensor, Tensor> vhp(const FunctionOfTensor& f, const Tensor& x, const Tensor& v) {
  return hvp(f, x, v);
}

FunctionOfTensor grad(FunctionOfTensor f) {
  return [f = std::move(f)](const Tensor& x) { return grad_and_value(f, x).first; };
}
FunctionOfTensor jacrev(FunctionOfTensor f) {
  return [f = std::move(f)](const Tensor& x) { return jacrev(f, x); };
}
FunctionOfTensor jacfwd(FunctionOfTensor f) {
  return [f = std::move(f)](const Tensor& x) { return jacfwd(f, x); };
}
FunctionOfTensor jacobian(FunctionOfTensor f) {
  return [f = std::move(f)](const Tensor& x) { return jacobian(f, x); };
}
FunctionOfTensor hessian(FunctionOfTensor f) {
  return [f = std::move(f)](const Tensor& x) { return hessian(f, x); };
}
std::function<std::pair<Tensor, Tensor>(const Tensor&)> grad_and_value(FunctionOfTensor f) {
  return [f = std::move(f)](const Tensor& x) { return grad_and_value(f, x); };
}

namespace {

/// Several tensors in a row, as one vector (n).
class Row {
 public:
  Row(const char* op, const std::vector<Tensor>& like) {
    if (like.empty()) fail<ValueError>(op, "got no inputs, expected one or more");
    for (const Tensor& t : like) {
      if (t.dtype() != like[0].dtype())
        fail<DTypeError>(op, "got inputs of ", like[0].dtype(), " and ", t.dtype(),
                         ", expected one type. Hint: to()");
      shapes_.push_back(t.shape());
    }
  }
  Tensor joined(const char* op, const std::vector<Tensor>& parts) const {
    if (parts.size() != shapes_.size())
      fail<ValueError>(op, "got ", parts.size(), " tensors, expected ", shapes_.size());
    std::vector<Tensor> flat;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!(parts[i].shape() == shapes_[i]))
        fail<ShapeError>(op, "got a tensor of shape ", parts[i].shape(), " for input ", i,
                         ", expected ", shapes_[i]);
      flat.push_back(parts[i].flatten());
    }
    return cat(flat);
  }
  /// The parts of t along its dimension d, which counts the numbers of the vector.
  std::vector<Tensor> split(const Tensor& t, int d = 0) const {
    std::vector<Tensor> parts;
    std::int64_t begin = 0;
    for (const Shape& s : shapes_) {
      Shape shape;
      for (int i = 0; i < t.shape().rank(); ++i) {
        if (i != d) shape.push_back(t.shape()[i]);
        for (int k = 0; i == d && k < s.rank(); ++k) shape.push_back(s[k]);
      }
      parts.push_back(t.narrow(d, begin, s.numel()).reshape(shape));
      begin += s.numel();
    }
    return parts;
  }
  FunctionOfTensor of_row(const FunctionOfTensors& f) const {
    return [this, &f](const Tensor& row) { return f(split(row)); };
  }

 private:
  std::vector<Shape> shapes_;
};

template <class F>
std::vector<Tensor> jacobians(const char* op, F jacobian_of, const FunctionOfTensors& f,
                              const std::vector<Tensor>& x) {
  const Row row(op, x);
  const Tensor j = jacobian_of(row.of_row(f), row.joined(op, x));
  return row.split(j, j.shape().rank() - 1);
}

}  // namespace

std::pair<Tensor, std::function<std::vector<Tensor>(const Tensor&)>> vjp(
    const FunctionOfTensors& f, const std::vector<Tensor>& x) {
  const Row row("vjp", x);
  auto [y, pull] = vjp(row.of_row(f), row.joined("vjp", x));
  return {y, [row, pull = std::move(pull)](const Tensor& u) { return row.split(pull(u)); }};
}
std::pair<Tensor, Tensor> jvp(const FunctionOfTensors& f, const std::vector<Tensor>& x,
                              const std::vector<Tensor>& v) {
  const Row row("jvp", x);
  return jvp(row.of_row(f), row.joined("jvp", x), row.joined("jvp", v));
}
std::vector<Tensor> jacrev(const FunctionOfTensors& f, const std::vector<Tensor>& x) {
  return jacobians(
      "jacrev", [](const auto& g, const Tensor& z) { return jacrev(g, z); }, f, x);
}
std::vector<Tensor> jacfwd(const FunctionOfTensors& f, const std::vector<Tensor>& x) {
  return jacobians(
      "jacfwd", [](const auto& g, const Tensor& z) { return jacfwd(g, z); }, f, x);
}
std::vector<Tensor> jacobian(const FunctionOfTensors& f, const std::vector<Tensor>& x) {
  return jacobians(
      "jacobian", [](const auto& g, const Tensor& z) { return jacobian(g, z); }, f, x);
}
std::vector<std::vector<Tensor>> hessian(const FunctionOfTensors& f, const std::vector<Tensor>& x) {
  const Row row("hessian", x);
  std::vector<std::vector<Tensor>> blocks;
  for (const Tensor& rows : row.split(hessian(row.of_row(f), row.joined("hessian", x))))
    blocks.push_back(row.split(rows, rows.shape().rank() - 1));
  return blocks;
}
std::pair<Tensor, std::vector<Tensor>> hvp(const FunctionOfTensors& f, const std::vector<Tensor>& x,
                                           const std::vector<Tensor>& v) {
  const Row row("hvp", x);
  const auto [y, product] = hvp(row.of_row(f), row.joined("hvp", x), row.joined("hvp", v));
  return {y, row.split(product)};
}
std::pair<std::vector<Tensor>, Tensor> grad_and_value(const FunctionOfTensors& f,
                                                      const std::vector<Tensor>& x) {
  const Row row("grad_and_value", x);
  const auto [g, y] = grad_and_value(row.of_row(f), row.joined("grad_and_value", x));
  return {row.split(g), y};
}

FunctionOfTensor vmap(FunctionOfTensor f, std::int64_t dim) {
  return [f = std::move(f), dim](const Tensor& x) {
    if (x.dim() == 0 || x.size(dim) == 0)
      fail<ShapeError>("vmap", "got ", x.shape(), ", expected slices along dimension ", dim);
    std::vector<Tensor> results;
    for (std::int64_t i = 0; i < x.size(dim); ++i) results.push_back(f(x.select(dim, i)));
    return stack(results);
  };
}

}  // namespace descent
