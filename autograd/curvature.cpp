#include <descent/autograd/curvature.h>
#include <descent/autograd/engine.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>

#include <algorithm>
#include <cmath>
#include <memory>

namespace descent::curvature {

namespace {

/// Vectors (n) as tensors of the weights' shapes, and back.
class Layout {
 public:
  explicit Layout(const std::vector<Tensor>& weights) : weights_(weights) {
    if (weights.empty()) fail<ValueError>("curvature", "got no weights, expected one or more");
    for (const Tensor& w : weights) n_ += w.numel();
  }
  std::int64_t size() const { return n_; }
  DType dtype() const { return weights_[0].dtype(); }
  const std::vector<Tensor>& weights() const { return weights_; }

  std::vector<Tensor> parts(const Tensor& v) const {
    std::vector<Tensor> all;
    std::int64_t begin = 0;
    for (const Tensor& w : weights_) {
      all.push_back(v.narrow(0, begin, w.numel()).reshape(w.shape()).to(w.dtype()));
      begin += w.numel();
    }
    return all;
  }
  /// Undefined tensors count as zeros.
  Tensor joined(const std::vector<Tensor>& parts) const {
    std::vector<Tensor> flat;
    for (std::size_t i = 0; i < parts.size(); ++i)
      flat.push_back((parts[i].defined() ? parts[i] : zeros_like(weights_[i])).flatten());
    return cat(flat).detach();
  }

 private:
  std::vector<Tensor> weights_;
  std::int64_t n_ = 0;
};

std::vector<Tensor> gradients(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                              const std::vector<Tensor>& by_outputs, bool create_graph) {
  return grad(outputs, inputs, by_outputs,
              {.create_graph = create_graph, .retain_graph = true, .allow_unused = true});
}
/// The tensors that have a history, and what goes with each.
void keep_recorded(std::vector<Tensor>& t, std::vector<Tensor>& with) {
  for (std::size_t i = t.size(); i-- > 0;)
    if (!t[i].defined() || !t[i].requires_grad()) {
      t.erase(t.begin() + static_cast<std::ptrdiff_t>(i));
      with.erase(with.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

void check_loss(const char* op, const Tensor& loss) {
  if (!loss.defined() || loss.numel() != 1)
    fail<ShapeError>(op, "got a loss of shape ", loss.defined() ? to_text(loss.shape()) : "none",
                     ", expected one element. Hint: mean()");
}
void check_count(const char* op, const char* what, std::int64_t got, std::int64_t least) {
  if (got < least) fail<ValueError>(op, "got ", what, " = ", got, ", expected ", least, " or more");
}

Tensor random_signs(const Operator& a, Generator& generator) {
  return bernoulli({a.size()}, 0.5, generator, a.dtype()) * 2 - 1;
}
double inner(const Tensor& a, const Tensor& b) {
  return (a.to(kFloat64) * b.to(kFloat64)).sum().item();
}
double length(const Tensor& v) { return std::sqrt(inner(v, v)); }

/// v without its parts along the unit vectors of `basis`; twice, so that rounding leaves nothing.
Tensor beside(const std::vector<Tensor>& basis, Tensor v) {
  for (int i = 0; i < 2; ++i)
    for (const Tensor& q : basis) v = v - q * inner(q, v);
  return v;
}

}  // namespace

Tensor Operator::operator*(const Tensor& v) const {
  if (v.dim() != 1 || v.size(0) != n_)
    fail<ShapeError>("curvature", "got a vector ", v.shape(), ", expected (", n_, ",)");
  return product_(v.detach().to(dtype_));
}

Tensor Operator::dense() const {
  std::vector<Tensor> columns;
  const Tensor identity = eye(n_, n_, dtype_);
  for (std::int64_t i = 0; i < n_; ++i) columns.push_back(*this * identity[i]);
  return columns.empty() ? zeros({0, 0}, dtype_) : stack(columns, 1);
}

Operator hessian(const std::vector<Tensor>& weights, const std::function<Tensor()>& loss) {
  const Layout layout(weights);
  const EnableGradGuard record;
  const Tensor value = loss();
  check_loss("hessian", value);
  const std::vector<Tensor> slopes = gradients({value}, weights, {}, true);
  return {layout.size(), layout.dtype(), [layout, slopes](const Tensor& v) {
            std::vector<Tensor> outputs = slopes, by = layout.parts(v);
            keep_recorded(outputs, by);
            if (outputs.empty()) return zeros_like(v);
            return layout.joined(gradients(outputs, layout.weights(), by, false));
          }};
}

Operator gauss_newton(const std::vector<Tensor>& weights, const std::function<Tensor()>& outputs,
                      const std::function<Tensor(const Tensor& outputs)>& loss) {
  const Layout layout(weights);
  const EnableGradGuard record;
  const Tensor z = outputs(), at = z.detach().requires_grad_();
  const Tensor value = loss(at);
  check_loss("gauss_newton", value);
  const Tensor slope = gradients({value}, {at}, {}, true)[0];  // by the outputs
  const Tensor u = zeros_like(z).requires_grad_();
  const std::vector<Tensor> pulled = gradients({z}, weights, {u}, true);  // Jᵀu, linear in u
  return {layout.size(), layout.dtype(), [=](const Tensor& v) {
            std::vector<Tensor> rows = pulled, by = layout.parts(v);
            keep_recorded(rows, by);
            if (rows.empty() || !slope.defined() || !slope.requires_grad()) return zeros_like(v);
            const Tensor moved = gradients(rows, {u}, by, false)[0];  // J·v
            if (!moved.defined()) return zeros_like(v);
            const Tensor bent = gradients({slope}, {at}, {moved}, false)[0];  // H·J·v
            if (!bent.defined()) return zeros_like(v);
            return layout.joined(gradients({z}, layout.weights(), {bent}, false));
          }};
}

Operator empirical_fisher(const Tensor& gradients) {
  if (gradients.dim() != 2 || gradients.size(0) < 1)
    fail<ShapeError>("empirical_fisher", "got gradients ", gradients.shape(),
                     ", expected (N, n) of one sample or more");
  const Tensor g = gradients.detach();
  return {g.size(1), g.dtype(), [g](const Tensor& v) {
            const Tensor along = matmul(g, v.unsqueeze(1));
            return matmul(g.t(), along).squeeze(1) / static_cast<double>(g.size(0));
          }};
}

double hutchinson_trace(const Operator& a, std::int64_t probes, Generator& generator) {
  check_count("hutchinson_trace", "probes", probes, 1);
  double sum = 0;
  for (std::int64_t i = 0; i < probes; ++i) {
    const Tensor signs = random_signs(a, generator);
    sum += inner(signs, a * signs);
  }
  return sum / static_cast<double>(probes);
}

double hutchpp_trace(const Operator& a, std::int64_t products, Generator& generator) {
  check_count("hutchpp_trace", "products", products, 3);
  const std::int64_t third = products / 3;
  std::vector<Tensor> basis;  // of what A makes of random vectors
  for (std::int64_t i = 0; i < third; ++i) {
    const Tensor image = a * random_signs(a, generator), rest = beside(basis, image);
    const double norm = length(rest);
    if (norm > 1e-6 * length(image)) basis.push_back(rest / norm);
  }
  double trace = 0;
  for (const Tensor& q : basis) trace += inner(q, a * q);
  for (std::int64_t i = 0; i < third; ++i) {
    const Tensor signs = beside(basis, random_signs(a, generator));
    trace += inner(signs, a * signs) / static_cast<double>(third);
  }
  return trace;
}

Tensor hutchinson_diag(const Operator& a, std::int64_t probes, Generator& generator) {
  check_count("hutchinson_diag", "probes", probes, 1);
  Tensor sum = zeros({a.size()}, kFloat64);
  for (std::int64_t i = 0; i < probes; ++i) {
    const Tensor signs = random_signs(a, generator);
    sum = sum + (signs * (a * signs)).to(kFloat64);
  }
  return (sum / static_cast<double>(probes)).to(a.dtype());
}

Ritz lanczos(const Operator& a, std::int64_t steps, Generator& generator) {
  check_count("lanczos", "steps", steps, 1);
  std::vector<Tensor> basis;
  std::vector<double> diagonal, beside_it;
  Tensor next = randn({a.size()}, generator, a.dtype());
  next = next / length(next);
  double scale = 0;  // the largest entry of the tridiagonal matrix
  for (std::int64_t k = 0; k < std::min(steps, a.size()); ++k) {
    basis.push_back(next);
    const Tensor image = a * next;
    diagonal.push_back(inner(next, image));
    const Tensor rest = beside(basis, image);
    const double norm = length(rest);
    scale = std::max({scale, std::fabs(diagonal.back()), norm});
    if (norm <= (a.dtype() == kFloat64 ? 1e-13 : 1e-6) * scale) break;  // nothing new
    beside_it.push_back(norm);
    next = rest / norm;
  }
  const auto k = static_cast<std::int64_t>(basis.size());
  const Tensor t = zeros({k, k}, kFloat64);
  for (std::int64_t i = 0; i < k; ++i) {
    t[i][i] = diagonal[static_cast<std::size_t>(i)];
    if (i + 1 < k) t[i + 1][i] = beside_it[static_cast<std::size_t>(i)];  // eigh reads below
  }
  const auto [values, vectors] = eigh(t);
  return {values, vectors[0].square(), matmul(stack(basis, 1), vectors.to(a.dtype()))};
}

Tensor spectral_density(const Operator& a, const Tensor& points, double width, std::int64_t probes,
                        std::int64_t steps, Generator& generator) {
  check_count("spectral_density", "probes", probes, 1);
  if (!(width > 0)) fail<ValueError>("spectral_density", "got width ", width, ", expected above 0");
  if (points.dim() != 1)
    fail<ShapeError>("spectral_density", "got points ", points.shape(), ", expected (k)");
  const Tensor at = points.detach().to(kFloat64).unsqueeze(1);
  Tensor density = zeros({points.size(0)}, kFloat64);
  for (std::int64_t i = 0; i < probes; ++i) {
    const Ritz ritz = lanczos(a, steps, generator);
    const Tensor bells = exp(((at - ritz.values.unsqueeze(0)) / width).square() * -0.5);
    density = density + matmul(bells, ritz.weights.unsqueeze(1)).squeeze(1);
  }
  return density / (static_cast<double>(probes) * width * 2.5066282746310002);
}

Solution cg(const Operator& a, const Tensor& b, double damping, double tolerance,
            std::int64_t most) {
  if (b.dim() != 1 || b.size(0) != a.size())
    fail<ShapeError>("cg", "got b ", b.shape(), ", expected (", a.size(), ",)");
  Tensor residual = b.detach().to(a.dtype()).clone(), direction = residual;
  Solution s{zeros_like(residual)};
  double square = inner(residual, residual);
  const double norm = std::sqrt(square);
  if (norm == 0) return s;
  const std::int64_t limit = most > 0 ? most : a.size();
  s.residual = 1;
  while (s.products < limit && s.residual > tolerance) {
    const Tensor image = a * direction + direction * damping;
    ++s.products;
    const double bend = inner(direction, image);
    if (!(bend > 0)) {
      s.is_indefinite = true;
      break;
    }
    const double step = square / bend;
    s.x = s.x + direction * step;
    residual = residual - image * step;
    const double before = std::exchange(square, inner(residual, residual));
    direction = residual + direction * (square / before);
    s.residual = std::sqrt(square) / norm;
  }
  return s;
}

}  // namespace descent::curvature
