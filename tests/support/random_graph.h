// Random graphs, for tests that compare several ways of differentiating one function.
//
//   RandomGraph graph(Choices(seed));       // or Choices(bytes), for a fuzzer
//   Tally tally;
//   std::string fault = check_derivatives(graph, 2, tally) + check_compiled(graph, 0, tally);
//
// A graph takes three leaves and gives a scalar. Its operators, shapes and constants follow from
// the choices alone, so that the function can be computed again at other leaves.
#pragma once

#include <descent/autograd/ops/fused.h>
#include <descent/descent.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace descent::testing {

/// A source of decisions: a seeded generator, or bytes. Behind the last byte every decision is 0.
class Choices {
 public:
  explicit Choices(std::uint64_t seed) : generator_(seed, 90) {}
  explicit Choices(std::span<const std::uint8_t> bytes) : bytes_(bytes), seeded_(false) {}
  /// A number in [0, n), n > 0.
  std::int64_t next(std::int64_t n) {
    if (seeded_) return static_cast<std::int64_t>(generator_.below(static_cast<std::uint64_t>(n)));
    std::int64_t value = 0;
    for (std::int64_t covered = 1; covered < n && at_ < bytes_.size(); covered *= 256)
      value = value * 256 + bytes_[at_++];
    return value % n;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  bool seeded_ = true;
  Generator generator_;
};

/// What became of the checks.
struct Tally {
  long graphs = 0, checks = 0;
  long at_kinks = 0;  ///< differences of two step sizes disagree, or a value is infinite
  long refused = 0;   ///< the graph wrote to what a rule had saved, and was refused
  long replays = 0;   ///< of compiled steps
};

using Tensors = std::vector<Tensor>;

class RandomGraph {
 public:
  /// All numbers are doubles; if `mixed` is true, some are floats.
  explicit RandomGraph(Choices choices, bool mixed = false) : start_(choices), mixed_(mixed) {
    choices_ = start_;
    for (int i = 0; i < 3; ++i) {
      const Shape shape = random_shape();
      const Tensor x = rand(shape, values_, kFloat64) * 4 - 2;
      leaves_.push_back(i == 1 ? x.to(narrow()) : x);
    }
    start_ = choices_;
    for (Tensors& v : directions_)
      for (const Tensor& x : leaves_)
        v.push_back(randn(x.shape(), values_, kFloat64).to(x.dtype()));
  }

  /// Values at which the function is differentiated, between -2 and 2.
  const Tensors& leaves() const { return leaves_; }
  /// The i-th of four fixed directions in the space of the leaves.
  const Tensors& direction(int i) const { return directions_[i]; }
  /// The function. If `names` is given, lists the operators there; and in `all` their results.
  Tensor operator()(const Tensors& leaves, std::string* names = nullptr, Tensors* all = nullptr);

 private:
  using Int = std::int64_t;
  using T = Tensor;
  using G = RandomGraph;
  struct Operator {
    const char* name;
    T (*apply)(G& g, const T& x);
  };
  struct AlongDimension {  // x has at least one dimension, and d is one of them
    const char* name;
    T (*apply)(G& g, const T& x, Int d);
  };
  static const std::vector<Operator>& operators();
  static const std::vector<AlongDimension>& along_dimension();
  static constexpr Int kMost = 256;  // elements of a tensor

  DType narrow() const { return mixed_ ? kFloat32 : kFloat64; }
  Int next(Int n) { return choices_.next(n); }
  bool toss() { return next(2) == 1; }
  template <class V>
  const V& one_of(const std::vector<V>& values) {
    return values[static_cast<std::size_t>(next(static_cast<Int>(values.size())))];
  }
  Int extent() { return next(10) == 0 ? 0 : 1 + next(4); }
  Shape random_shape() {
    Shape s;
    for (Int rank = next(5); rank > 0; --rank) s.push_back(extent());
    return s;
  }
  /// A tensor that is the same each time the function runs.
  Tensor constant(const std::function<Tensor()>& make) {
    if (used_ == constants_.size()) constants_.push_back(make());
    return constants_[used_++];
  }
  Tensor numbers(const Shape& shape, DType dtype) {
    return constant([&] { return (rand(shape, values_, kFloat64) * 2 - 1).to(dtype); });
  }
  Tensor indices(const Shape& shape, Int n) {
    return constant([&] { return randint(0, n, shape, values_); });
  }
  static bool fits(const Shape& a, const Shape& b) {  // they broadcast, to a tensor not too large
    Int n = 1;
    for (int d = 1; d <= std::max(a.rank(), b.rank()); ++d) {
      const Int p = d <= a.rank() ? a[a.rank() - d] : 1, q = d <= b.rank() ? b[b.rank() - d] : 1;
      if (p != q && p != 1 && q != 1) return false;
      n *= p == 1 ? q : p;
    }
    return n <= kMost;
  }
  /// A tensor that broadcasts with x.
  T partner(const T& x) {
    if (x.dim() > 0 && x.numel() > 0 && next(4) == 0) return x.mean({next(x.dim())}, true);
    if (next(8) == 0) return numbers({}, x.dtype());
    const T y = one_of(pool_);
    return fits(x.shape(), y.shape())      ? y
           : x.dim() > 1 && x.size(-1) > 0 ? x.select(-1, 0).unsqueeze(-1)
                                           : sin(x);
  }
  /// A tensor of x's shape and type that does not depend on x's elements alone.
  T companion(const T& x) {
    const T y = one_of(pool_);
    return numbers(x.shape(), x.dtype()) +
           (y.numel() > 0 ? cos(y.mean()).to(x.dtype()) : zeros({}, x.dtype()));
  }
  /// x with smaller elements, so that powers of it stay small.
  T tame(const T& x) { return toss() ? sin(x) : toss() ? tanh(x) : x * 0.3; }
  /// x with elements of at least 0.4.
  T positive(const T& x) {
    return (toss() ? square(tame(x)) : toss() ? softplus(x) : abs(x)) + 0.4;
  }
  Dims dims(const T& x) {
    Dims d;
    for (Int i = 0; i < x.dim(); ++i)
      if (toss()) d.push_back(i - (toss() ? x.dim() : 0));
    return d;
  }
  /// f over some dimensions of x; if these have fewer than `least` elements, their sum.
  template <class F>
  T reduce(const T& x, Int least, F f) {
    const Dims d = dims(x);
    Int n = d.rank() == 0 ? x.numel() : 1;
    for (const Int i : d) n *= x.size(i);
    const bool keep = toss();
    return n < least ? sum(x, d, keep) : f(x, d, keep);
  }
  T in_place(const T& x);

  Choices start_, choices_{0};
  bool mixed_;
  Generator values_{7};
  Tensors leaves_, constants_, directions_[4], pool_;
  std::size_t used_ = 0;
};

inline const std::vector<RandomGraph::Operator>& RandomGraph::operators() {
  static const std::vector<Operator> all{
      {"add", [](G& g, const T& x) { return x + g.partner(x); }},
      {"sub", [](G& g, const T& x) { return g.partner(x) - x; }},
      {"mul", [](G& g, const T& x) { return x * g.tame(g.partner(x)); }},
      {"div", [](G& g, const T& x) { return x / g.positive(g.partner(x)); }},
      {"numbers", [](G&, const T& x) { return 1 - (x * 0.5 + 2) / 3 + 0.3 / (square(x) + 1); }},
      {"pow", [](G& g, const T& x) { return pow(g.positive(x), tanh(g.partner(x))); }},
      {"pow_number", [](G& g, const T& x) { return pow(g.tame(x), g.next(4)); }},
      {"pow_of_number", [](G& g, const T& x) { return pow(1.5, g.tame(x)); }},
      {"maximum", [](G& g, const T& x) { return maximum(x, g.partner(x)); }},
      {"maximum_number", [](G&, const T& x) { return maximum(x, 0.3); }},
      {"minimum", [](G& g, const T& x) { return minimum(x, g.partner(x)); }},
      {"minimum_number", [](G&, const T& x) { return minimum(x, 0.3); }},
      {"where",
       [](G& g, const T& x) {
         const T y = g.partner(x);
         return where(x > y, x, y * 2);
       }},
      {"where_number", [](G&, const T& x) { return where(x > 0.1, x, -0.5); }},
      {"number_where", [](G&, const T& x) { return where(x < 0.2, 0.25, x); }},
      {"clamp", [](G&, const T& x) { return clamp(x, -0.7, 1.1); }},
      {"masked_fill", [](G&, const T& x) { return masked_fill(x, x > 0.9, 0.5); }},
      {"abs", [](G&, const T& x) { return abs(x); }},
      {"neg", [](G&, const T& x) { return -x; }},
      {"sign", [](G&, const T& x) { return sign(x) * x; }},
      {"square", [](G& g, const T& x) { return square(g.tame(x)); }},
      {"sqrt", [](G& g, const T& x) { return sqrt(g.positive(x)); }},
      {"rsqrt", [](G& g, const T& x) { return rsqrt(g.positive(x)); }},
      {"reciprocal", [](G& g, const T& x) { return reciprocal(g.positive(x)); }},
      {"log", [](G& g, const T& x) { return log(g.positive(x)); }},
      {"log1p", [](G& g, const T& x) { return log1p(g.positive(x)); }},
      {"exp", [](G& g, const T& x) { return exp(g.tame(x)); }},
      {"expm1", [](G& g, const T& x) { return expm1(g.tame(x)); }},
      {"sin", [](G&, const T& x) { return sin(x); }},
      {"cos", [](G&, const T& x) { return cos(x); }},
      {"erf", [](G&, const T& x) { return erf(x); }},
      {"relu", [](G&, const T& x) { return relu(x); }},
      {"tanh", [](G&, const T& x) { return tanh(x); }},
      {"sigmoid", [](G&, const T& x) { return sigmoid(x); }},
      {"silu", [](G&, const T& x) { return silu(x); }},
      {"softplus", [](G&, const T& x) { return softplus(x); }},
      {"leaky_relu", [](G&, const T& x) { return leaky_relu(x, 0.2); }},
      {"elu", [](G&, const T& x) { return elu(x, 1.5); }},
      {"gelu", [](G&, const T& x) { return gelu(x); }},
      {"gelu_tanh", [](G&, const T& x) { return gelu(x, GeluForm::tanh); }},
      {"sum", [](G& g, const T& x) { return g.reduce(x * 0.5, 0, sum); }},
      {"mean", [](G& g, const T& x) { return g.reduce(x, 1, mean); }},
      {"prod", [](G& g, const T& x) { return g.reduce(sin(x) * 1.2, 0, prod); }},
      {"max", [](G& g, const T& x) { return g.reduce(x, 1, max); }},
      {"min", [](G& g, const T& x) { return g.reduce(x, 1, min); }},
      {"logsumexp", [](G& g, const T& x) { return g.reduce(x, 1, logsumexp); }},
      {"var",
       [](G& g, const T& x) {
         const auto f = g.toss() ? var : stddev;
         const Int correction = g.next(2);
         return g.reduce(g.tame(x), 2, [=](const T& y, const Dims& d, bool keep) {
           return f(y, d, correction, keep);
         });
       }},
      {"norm",
       [](G& g, const T& x) {
         const double p = g.one_of(std::vector<double>{2, 1, 3, 1.5, INFINITY});
         return g.reduce(x, 1,
                         [=](const T& y, const Dims& d, bool keep) { return norm(y, p, d, keep); });
       }},
      {"outer",
       [](G& g, const T& x) {
         const T flat = x.reshape({-1}).slice(0, 0, 6);
         return g.toss() ? outer(flat, cos(flat)) : dot(flat, sin(flat));
       }},
      {"einsum",
       [](G& g, const T& x) {
         const T m = x.numel() < 4 ? g.numbers({2, 2}, x.dtype()) * x.sum()
                                   : x.reshape({-1}).slice(0, 0, 4).reshape({2, 2});
         const char* equation =
             g.one_of(std::vector<const char*>{"ii->i", "ji", "ij,jk->ik", "ij,ij->j", "ij,kj->ik",
                                               "ii,ij->j", "ij,jk", "...i,...i->...", "ij,kl->jl"});
         return std::strchr(equation, ',') ? einsum(equation, {m, sin(m)}) : einsum(equation, {m});
       }},
      {"squared_error",
       [](G& g, const T& x) { return squared_error(g.tame(x), g.companion(x), g.toss()); }},
      {"logistic_loss",
       [](G& g, const T& x) { return logistic_loss(x, g.companion(x), g.toss()); }},
      {"binary_cross_entropy",
       [](G& g, const T& x) {
         return binary_cross_entropy(sigmoid(tanh(x)), square(g.companion(x)));
       }},
      {"reshape",
       [](G& g, const T& x) {
         if (x.numel() == 0) return x.reshape(g.toss() ? Shape{0, g.extent()} : Shape{3, 0});
         Int n = 1 + g.next(4);
         while (x.numel() % n != 0) --n;
         return x.reshape(g.toss() ? Shape{n, -1} : Shape{-1, n, 1});
       }},
      {"permute",
       [](G& g, const T& x) {
         Dims order;
         for (Int i = 0; i < x.dim(); ++i) order.insert(static_cast<int>(g.next(i + 1)), i);
         return x.permute(order);
       }},
      {"squeeze", [](G&, const T& x) { return x.squeeze(); }},
      {"unsqueeze",
       [](G& g, const T& x) { return x.dim() > 4 ? x : x.unsqueeze(g.next(x.dim() + 1)); }},
      {"expand",
       [](G& g, const T& x) {
         Shape s = x.shape();
         for (int d = 0; d < s.rank(); ++d)
           if (s[d] == 1) s[d] = g.extent();
         if (s.rank() < 4) s.insert(0, g.extent());
         return s.numel() > kMost ? x : x.expand(s);
       }},
      {"stack",
       [](G& g, const T& x) {
         return x.dim() > 4 || x.numel() * 2 > kMost ? x : stack({x, cos(x)}, g.next(x.dim() + 1));
       }},
      {"clone", [](G&, const T& x) { return x.clone(); }},
      {"contiguous", [](G&, const T& x) { return x.contiguous(); }},
      {"to", [](G& g, const T& x) { return x.to(g.toss() ? kFloat64 : g.narrow()); }},
      {"shared",
       [](G&, const T& x) {
         const T s = sin(x), t = s * x;
         return t + s * t + square(s);
       }},
      {"hook",
       [](G&, const T& x) {
         const T y = x * 1;
         if (y.requires_grad()) {
           y.register_hook([](const T& g) { return g * 1; });
           y.register_hook([](const T&) { return T(); });
         }
         return y;
       }},
      {"in_place", [](G& g, const T& x) { return g.in_place(x); }},
  };
  return all;
}

inline const std::vector<RandomGraph::AlongDimension>& RandomGraph::along_dimension() {
  static const std::vector<AlongDimension> all{
      {"softmax", [](G&, const T& x, Int d) { return softmax(x, d); }},
      {"log_softmax", [](G&, const T& x, Int d) { return log_softmax(x, d - x.dim()); }},
      {"cumsum", [](G&, const T& x, Int d) { return cumsum(x, d); }},
      {"argmax",
       [](G&, const T& x, Int d) { return x.size(d) == 0 ? x : gather(x, d, argmax(x, d, true)); }},
      {"argmin",
       [](G&, const T& x, Int d) { return x.size(d) == 0 ? x : gather(x, d, argmin(x, d, true)); }},
      {"matmul",
       [](G& g, const T& x, Int) {
         const Int k = x.size(-1);
         const T w = g.numbers(g.next(3) == 0 ? Shape{k} : Shape{k, g.extent()}, x.dtype()),
                 y = g.one_of(g.pool_);
         return matmul(x, y.numel() > 0 && g.toss() ? w * cos(y.mean()) : w);
       }},
      {"matmul_batches",
       [](G& g, const T& x, Int) {
         if (x.dim() < 2) return matmul(g.tame(x), x);
         const T y = x.transpose(-1, -2), z = g.tame(y);
         return matmul(x, g.toss() || x.dim() > 2 || x.numel() == 0 ? z : z.select(-1, 0));
       }},
      {"linear",
       [](G& g, const T& x, Int) {
         const Int out = g.extent();
         const T w = g.companion(zeros({out, x.size(-1)}, x.dtype()));
         const T bias = g.toss() ? g.companion(zeros({out}, x.dtype())) : T();
         return linear_activation(x, w, bias, static_cast<Activation>(g.next(4)));
       }},
      {"cross_entropy",
       [](G& g, const T& x, Int) {
         if (x.dim() != 2 || x.numel() == 0) return x;
         return softmax_cross_entropy(x, g.indices({x.size(0)}, x.size(1)), g.next(2) - 1, false);
       }},
      {"index_select",
       [](G& g, const T& x, Int d) {
         return x.size(d) == 0 ? x : index_select(x, d, g.indices({g.extent()}, x.size(d)));
       }},
      {"gather",
       [](G& g, const T& x, Int d) {
         Shape s = x.shape();
         s[static_cast<int>(d)] = g.extent();
         return x.numel() == 0 || s.numel() > kMost ? x : gather(x, d, g.indices(s, x.size(d)));
       }},
      {"scatter_add",
       [](G& g, const T& x, Int d) {
         return x.numel() == 0 ? x : scatter_add(x, d, g.indices(x.shape(), x.size(d)), sin(x));
       }},
      {"one_hot",
       [](G& g, const T& x, Int) {
         return x.size(-1) == 0 ? x : x * one_hot(g.indices({}, x.size(-1)), x.size(-1), x.dtype());
       }},
      {"flatten", [](G& g, const T& x, Int d) { return x.flatten(d, d + g.next(x.dim() - d)); }},
      {"transpose", [](G& g, const T& x, Int d) { return x.transpose(d, -1 - g.next(x.dim())); }},
      {"squeeze_one", [](G&, const T& x, Int d) { return x.squeeze(d); }},
      {"slice",
       [](G& g, const T& x, Int d) {
         const Int n = x.size(d), begin = g.next(2 * n + 3) - n - 1;
         return x.slice(d, begin, g.toss() ? kEnd : g.next(2 * n + 3) - n - 1, 1 + g.next(4));
       }},
      {"narrow",
       [](G& g, const T& x, Int d) {
         const Int n = x.size(d), begin = g.next(n + 1);
         return x.narrow(d, begin, g.next(n - begin + 1));
       }},
      {"select",
       [](G& g, const T& x, Int d) {
         return x.size(d) == 0 ? x : x.select(d, g.next(2 * x.size(d)) - x.size(d));
       }},
      {"cat",
       [](G& g, const T& x, Int d) {
         const T y = x.slice(d, g.next(3));
         return x.numel() * 3 > kMost ? x : g.toss() ? cat({x, y, sin(x)}, d) : cat({y, y}, d);
       }},
      {"split",
       [](G& g, const T& x, Int d) {
         T y = zeros({}, x.dtype());
         for (const T& piece : g.toss() ? split(x, 1 + g.next(3), d) : chunk(x, 1 + g.next(3), d))
           if (g.toss()) y = y + sum(sin(piece)) + sum(piece, {d}, true);
         return y;
       }},
  };
  return all;
}

/// Writes in place to a copy of x; sometimes a rule has saved the copy before.
inline Tensor RandomGraph::in_place(const T& x) {
  const T y = x.clone();
  if (next(10) == 0) pool_.push_back(sin(y));
  T p = partner(y).to(y.dtype());
  if (!(broadcast_shapes("test", y.shape(), p.shape()) == y.shape())) p = x;
  switch (next(8)) {
    case 0:
      return y.add_(p);
    case 1:
      return y.sub_(p).add_(p, 2);
    case 2:
      return y.mul_(sin(p));
    case 3:
      return y.div_(square(p) + 0.5);
    case 4:
      return y.relu_().add_(0.5).mul_(2).sub_(1);
    case 5:
      return y.clamp_(-0.6, 0.9).div_(2);
    case 6:
      return y.copy_(p).mul_(tanh(y));
    default:
      return y.fill_(0.3).add_(p);
  }
}

inline Tensor RandomGraph::operator()(const Tensors& leaves, std::string* names, Tensors* all) {
  choices_ = start_;
  used_ = 0;
  pool_ = leaves;
  const auto add = [&](const char* name, const T& y) {
    if (names) *names += to_text(" ", name, y.shape());
    pool_.push_back(y);
  };
  for (Int left = 1 + next(12); left > 0; --left) {
    const T x = one_of(pool_);
    if (next(3) > 0) {
      const Operator& op = one_of(operators());
      add(op.name, op.apply(*this, x));
    } else {
      const AlongDimension& op = one_of(along_dimension());
      const T y = x.dim() > 0 ? x : x.reshape({1});
      add(op.name, op.apply(*this, y, next(y.dim())));
    }
  }
  T loss = zeros({}, kFloat64);
  for (std::size_t i = 0; i < pool_.size(); ++i)
    if (i + 2 >= pool_.size() || next(3) == 0)
      loss = loss + sum(pool_[i] * numbers(pool_[i].shape(), pool_[i].dtype()));
  if (all) *all = pool_;
  pool_.clear();
  return loss;
}

namespace detail_random_graph {

inline Tensors fresh(const Tensors& leaves) {
  Tensors copies;
  for (const Tensor& x : leaves) copies.push_back(x.detach().clone().requires_grad_());
  return copies;
}
/// The gradients; zeros where there are none.
inline Tensors gradients(const Tensor& y, const Tensors& leaves, bool create_graph) {
  Tensors g(leaves.size());
  if (y.requires_grad())
    g = grad({y}, leaves, {}, {.create_graph = create_graph, .allow_unused = true});
  for (std::size_t i = 0; i < g.size(); ++i)
    if (!g[i].defined()) g[i] = zeros_like(leaves[i].detach());
  return g;
}
inline Tensor dot_all(const Tensors& a, const Tensors& b) {
  Tensor s = zeros({}, kFloat64);
  for (std::size_t i = 0; i < a.size(); ++i) s = s + sum(a[i] * b[i]);
  return s;
}
/// The function (order 0), or the derivative of order - 1 differentiated along fixed directions.
inline Tensor derivative(RandomGraph& f, const Tensors& leaves, int order) {
  if (order == 0) return f(leaves);
  const Tensor below = derivative(f, leaves, order - 1);
  return dot_all(gradients(below, leaves, true), f.direction(order));
}
inline double largest(const Tensors& tensors) {
  double most = 0;
  for (const Tensor& t : tensors)
    for (const double x : t.to_vector())
      if (!(std::fabs(x) <= most)) most = std::fabs(x);  // NaN too
  return most;
}
inline std::string describe(RandomGraph& f) {
  std::string s;
  for (const Tensor& x : f.leaves()) s += to_text(" leaf", x.shape());
  try {
    f(f.leaves(), &s);
  } catch (const std::exception&) {
    s += " and the next one throws";
  }
  return s;
}
inline bool refuses_writes(const GraphError& e) {
  return std::string(e.what()).find("changed in place") != std::string::npos;
}

/// Compares g, the gradients of the leaves x, with those of backward(), and with those of grad()
/// for the leaves and some results in the middle. Compares the gradients of these, too. All bits
/// must be the same.
inline std::string compare_backward(RandomGraph& f, const Tensors& x, const Tensors& g) {
  Tensors wanted = x, all;
  const Tensor y = f(x, nullptr, &all);
  if (!y.requires_grad()) return "";
  for (std::size_t i = x.size(); i < all.size(); i += 2)
    if (!all[i].is_leaf()) {
      all[i].retain_grad();
      wanted.push_back(all[i]);
    }
  const Tensors asked = grad({y}, wanted, {}, {.retain_graph = true, .allow_unused = true});
  y.backward();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto numbers = [&](const Tensor& t) {
      return (t.defined() ? t : zeros_like(wanted[i].detach())).to_vector();
    };
    if (numbers(asked[i]) != numbers(wanted[i].grad()) ||
        (i < x.size() && numbers(asked[i]) != numbers(g[i])))
      return to_text("backward() and grad() differ at tensor ", i, ":", describe(f));
  }
  return "";
}

}  // namespace detail_random_graph

/// Compares plain gradients with create_graph's, and the gradients of the function and of its
/// derivatives below `orders` with differences. Needs a graph that is not mixed. Returns what is
/// wrong, or "".
inline std::string check_derivatives(RandomGraph& f, int orders, Tally& tally) {
  using namespace detail_random_graph;
  ++tally.graphs;
  try {
    const Tensors x = fresh(f.leaves());
    const Tensors& v = f.direction(0);
    double scale_below = 0;
    for (int order = 0; order < orders; ++order) {
      const Tensor y = derivative(f, x, order);
      const Tensors g = gradients(y, x, false);
      const double size = largest(g), value = y.item();
      if (!std::isfinite(size) || !std::isfinite(value) || size > 1e8) {
        ++tally.at_kinks;
        return "";
      }
      scale_below = std::max(scale_below, size);
      const Tensors with_graph = gradients(derivative(f, x, order), x, true);
      ++tally.checks;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double gap = largest({g[i] - with_graph[i].detach()});
        if (!(gap <= 1e-11 * (1 + scale_below)))
          return to_text("order ", order + 1, ", leaf ", i, ": plain and create_graph differ by ",
                         gap, " of ", size, ":", describe(f));
      }
      if (order == 0)
        if (const std::string fault = compare_backward(f, x, g); !fault.empty()) return fault;
      const double exact = dot_all(g, v).item();
      double scale = std::fabs(value) + 1;
      for (std::size_t i = 0; i < x.size(); ++i) scale += sum(abs(g[i] * v[i])).item();
      const auto at = [&](double t) {
        Tensors moved;
        for (std::size_t i = 0; i < x.size(); ++i)
          moved.push_back((x[i].detach() + v[i] * t).requires_grad_());
        return derivative(f, moved, order).item();
      };
      bool agree = false, sharp = false;
      double found = 0;
      for (double h = 2e-4; h > 1e-6 && !agree; h /= 10) {
        const double right = at(h), left = at(-h), wide = (right - left) / (2 * h),
                     close = (at(h / 2) - at(-h / 2)) / h, gap = std::fabs(wide - close),
                     limit = std::max(1e-8, 1e-12 / h) * scale;
        // A kink or a jump is within reach.
        if (!(gap + std::fabs(right - 2 * value + left) / h <= 1e-2 * scale)) continue;
        sharp = true;
        found = (4 * close - wide) / 3;
        agree = std::fabs(found - exact) <= limit + gap / 20;
      }
      if (sharp && !agree)
        return to_text("order ", order + 1, ": got ", exact, " from the rules, expected ", found,
                       " from differences:", describe(f));
      if (!sharp) {
        ++tally.at_kinks;
        return "";
      }
    }
  } catch (const GraphError& e) {
    if (!refuses_writes(e)) return std::string(e.what()) + describe(f);
    ++tally.refused;
  } catch (const std::exception& e) {
    return std::string(e.what()) + describe(f);
  }
  return "";
}

/// Compares a compiled step with an eager step, bit for bit, over replays with other inputs. The
/// step computes the derivative of this order and its gradients. Returns what is wrong, or "".
inline std::string check_compiled(RandomGraph& f, int order, Tally& tally) {
  using namespace detail_random_graph;
  try {
    const auto step = [&](const Tensor& a, const Tensor& b, const Tensor& c) {
      const Tensors x{a.detach().requires_grad_(), b.detach().requires_grad_(),
                      c.detach().requires_grad_()};
      const Tensor y = derivative(f, x, order);
      Tensors results = gradients(y, x, false);
      results.push_back(y.detach());
      return results;
    };
    auto compiled = compile(step);
    Tensors x = f.leaves();
    f(x);  // makes the constants outside of the step
    for (int replay = 0; replay < 4; ++replay) {
      const Tensors expected = step(x[0].clone(), x[1].clone(), x[2].clone()),
                    got = compiled(x[0], x[1], x[2]);
      for (std::size_t i = 0; i < got.size(); ++i) {
        const std::vector<double> p = expected[i].to_vector(), q = got[i].to_vector();
        for (std::size_t k = 0; k < p.size(); ++k)
          if (!(p[k] == q[k] || (std::isnan(p[k]) && std::isnan(q[k]))))
            return to_text("replay ", replay, ", result ", i, ": compiled ", q[k], ", eager ", p[k],
                           ":", describe(f));
      }
      ++tally.replays;
      for (Tensor& t : x) t = sin(t * 2 + 1) * 2;
    }
  } catch (const GraphError& e) {
    if (!refuses_writes(e)) return std::string(e.what()) + describe(f);
  } catch (const std::exception& e) {
    return std::string(e.what()) + describe(f);
  }
  return "";
}

}  // namespace descent::testing
