// Every sum over many floats keeps its digits: the relative error stays below 1e-6 for positive
// numbers, whatever their number. Each case is computed twice from the same floats, in float and in
// double.
#include <descent/descent.h>
#include <gtest/gtest.h>
#include <algorithm>
#include <cmath>

namespace descent {
namespace {

using Case = std::function<Tensor(const Tensor&)>;

/// The largest error of a number in `found`, relative to the number in `exact`.
double relative_error(const Tensor& found, const Tensor& exact) {
  const std::vector<double> a = found.to_vector(), b = exact.to_vector();
  EXPECT_EQ(a.size(), b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::fabs(a[i] - b[i]) / std::fabs(b[i]));
  return most;
}

/// The gradient of f at x. It starts from a gradient of ones.
Tensor slope(const Case& f, const Tensor& x) {
  const Tensor leaf = x.detach().requires_grad_(), y = f(leaf);
  return grad({y}, {leaf}, {ones(y.shape(), y.dtype())})[0];
}

/// x as a matrix with `columns` columns.
Tensor tall(const Tensor& x, std::int64_t columns) { return x.reshape({-1, columns}); }
Tensor wide(const Tensor& x, std::int64_t rows) { return x.reshape({rows, -1}); }

/// x + by as floats, in x's type.
Tensor shifted(const Tensor& x, double by) { return (x.to(kFloat32) + by).to(x.dtype()); }

/// Small numbers in x's type, which are floats.
Tensor some(const Tensor& x, const Shape& shape) {
  Generator generator(7);
  return rand(shape, generator).to(x.dtype());
}

/// n numbers from 0 to 3. More than half of them are 0.
Tensor places(std::int64_t n) {
  Generator generator(5);
  return randint(-4, 4, {n}, generator).clamp(0);
}

// Functions of n positive numbers x.
const std::map<std::string, Case> kSums{
    {"sum", [](const Tensor& x) { return sum(x); }},
    {"sum of rows", [](const Tensor& x) { return sum(wide(x, 5), {1}); }},
    {"sum of columns", [](const Tensor& x) { return sum(tall(x, 20), {0}); }},
    {"sum of few columns", [](const Tensor& x) { return sum(tall(x, 5), {0}); }},
    {"sum of middle columns",
     [](const Tensor& x) {
       return sum(x.reshape({2, -1, 5}), {1});
     }},
    {"sum of a view", [](const Tensor& x) { return sum(tall(x, 5).t(), {1}); }},
    {"mean", [](const Tensor& x) { return mean(x); }},
    {"var", [](const Tensor& x) { return var(shifted(x, 1e4)); }},
    {"stddev", [](const Tensor& x) { return stddev(x); }},
    {"cumsum", [](const Tensor& x) { return cumsum(x, 0).slice(0, x.numel() - 1); }},
    {"norm", [](const Tensor& x) { return norm(x); }},
    {"norm 1", [](const Tensor& x) { return norm(x, 1); }},
    {"norm 3", [](const Tensor& x) { return norm(x, 3); }},
    {"dot", [](const Tensor& x) { return dot(x, x); }},
    {"matmul", [](const Tensor& x) { return matmul(wide(x, 5), tall(x, 5)); }},
    {"matmul, transposed", [](const Tensor& x) { return matmul(tall(x, 5).t(), wide(x, 5).t()); }},
    {"matmul, one number", [](const Tensor& x) { return matmul(wide(x, 1), tall(x, 1)); }},
    {"matmul, wide", [](const Tensor& x) { return matmul(tall(x, 20).t(), tall(x, 20)); }},
    {"matmul, a vector", [](const Tensor& x) { return matmul(wide(x, 5), wide(x, 5)[0]); }},
    {"matmul, batched",
     [](const Tensor& x) {
       return matmul(x.reshape({2, 5, -1}), x.reshape({2, -1, 5}));
     }},
    {"linear", [](const Tensor& x) { return linear(wide(x, 5), wide(x, 5), some(x, {5})); }},
    {"einsum",
     [](const Tensor& x) {
       return einsum("ki,kj->ij", {tall(x, 5), tall(x, 5)});
     }},
    {"logsumexp", [](const Tensor& x) { return logsumexp(x * 4); }},
    {"softmax", [](const Tensor& x) { return softmax(x, 0).slice(0, 0, 10); }},
    {"softmax of far numbers",
     [](const Tensor& x) { return softmax(shifted(x, 100), 0).slice(0, 0, 10); }},
    {"softmax of columns", [](const Tensor& x) { return softmax(tall(x, 5), 0).slice(0, 0, 2); }},
    {"log_softmax", [](const Tensor& x) { return log_softmax(x, 0).slice(0, 0, 10); }},
    {"cross_entropy",
     [](const Tensor& x) { return nn::cross_entropy(wide(x, 5), zeros({5}, kInt64)); }},
    {"cross_entropy of few classes",
     [](const Tensor& x) { return nn::cross_entropy(tall(x, 5), zeros({x.numel() / 5}, kInt64)); }},
    {"cross_entropy of targets",
     [](const Tensor& x) { return nn::cross_entropy(wide(x, 5), wide(x, 5)); }},
    {"nll_loss",
     [](const Tensor& x) { return nn::nll_loss(-tall(x, 5), zeros({x.numel() / 5}, kInt64)); }},
    {"mse_loss", [](const Tensor& x) { return nn::mse_loss(x, -x); }},
    {"l1_loss", [](const Tensor& x) { return nn::l1_loss(x, -x); }},
    {"huber_loss", [](const Tensor& x) { return nn::huber_loss(x, -x); }},
    {"bce_with_logits", [](const Tensor& x) { return nn::bce_with_logits(x, 1 - x); }},
    {"bce_loss", [](const Tensor& x) { return nn::bce_loss(x, 1 - x); }},
    {"index_add",
     [](const Tensor& x) {
       return slope([&](const Tensor& w) { return index_select(w, 0, places(x.numel())) * x; },
                    some(x, {4}));
     }},
    {"scatter_add",
     [](const Tensor& x) { return scatter_add(zeros({4}, x.dtype()), 0, places(x.numel()), x); }},
    {"the gradient of gather",
     [](const Tensor& x) {
       return slope([&](const Tensor& w) { return gather(w, 0, places(x.numel())) * x; },
                    some(x, {4}));
     }},
    {"the gradient of an embedding",
     [](const Tensor& x) {
       nn::Embedding table(4, 5);
       table.to(x.dtype());
       const Tensor out = table(places(x.numel() / 5));
       return grad({out}, {table.weight}, {tall(x, 5)})[0];
     }},
    {"the gradient of a bias",
     [](const Tensor& x) {
       return slope([&](const Tensor& b) { return tall(x, 5) * (tall(x, 5) + b); }, some(x, {5}));
     }},
    {"the gradient of a bias of a batch",
     [](const Tensor& x) {
       return slope([&](const Tensor& b) { return x.reshape({-1, 2, 5}) * b; }, some(x, {5}));
     }},
    {"the gradient of a layer",
     [](const Tensor& x) {
       return slope([&](const Tensor& w) { return linear(tall(x, 5), w, {}) * tall(x, 5); },
                    some(x, {5, 5}));
     }},
    {"the gradient of a layer's bias",
     [](const Tensor& x) {
       return slope(
           [&](const Tensor& b) {
             return linear(tall(x, 5), some(x, {5, 5}), b);
           },
           some(x, {5}));
     }},
    {"the gradient of softmax",
     [](const Tensor& x) {
       return slope([&](const Tensor& v) { return softmax(v, 0) * x; }, x).slice(0, 0, 1);
     }},
    {"the gradient of log_softmax",
     [](const Tensor& x) {
       const Tensor g = cat({zeros({1}, x.dtype()), x.slice(0, 1)});
       return slope([&](const Tensor& v) { return log_softmax(v, 0) * g; }, x).slice(0, 0, 1);
     }},
    {"statistics of a batch",
     [](const Tensor& x) {
       nn::BatchNorm1d layer(5);
       layer.to(x.dtype());
       layer(tall(x, 5));
       return cat({layer.running_mean, layer.running_var});
     }},
};

void check(const std::string& name, const Case& f, std::int64_t n) {
  Generator generator(3);
  const Tensor x = rand({n}, generator);
  EXPECT_LT(relative_error(f(x), f(x.to(kFloat64))), 1e-6) << name << " of " << n << " numbers";
}

TEST(Accumulation, KeepsItsDigitsWhateverTheNumberOfTerms) {
  for (const std::int64_t n : {100, 10000, 1000000})
    for (const auto& [name, f] : kSums) check(name, f, n);
}

TEST(Accumulation, KeepsItsDigitsOverTenMillionTerms) {
  for (const char* name : {"sum", "sum of columns", "cumsum", "norm", "matmul, one number",
                           "softmax", "mse_loss", "index_add", "the gradient of a layer's bias"})
    check(name, kSums.at(name), 10000000);
}

TEST(Accumulation, NormalisesNumbersFarFromZero) {  // mean 1e4, deviation 1
  Generator generator(3);
  const Tensor x = randn({1000, 40}, generator).add_(1e4), exact = x.to(kFloat64);
  nn::BatchNorm1d of_batch(40);
  nn::LayerNorm of_row(40);
  const Tensor column = of_batch(x), row = of_row(x);
  of_batch.to(kFloat64);
  of_row.to(kFloat64);
  EXPECT_TRUE(allclose(column, of_batch(exact), 0, 1e-6));
  EXPECT_TRUE(allclose(row, of_row(exact), 0, 1e-6));
}

TEST(Accumulation, RunningStatisticsOfManyBatchesStayNearTheirAverage) {
  const NoGradGuard no_grad;
  Generator generator(3);
  nn::BatchNorm1d layer(1), exact(1);
  exact.to(kFloat64);
  const CumulativeStatisticsGuard cumulative;
  for (int i = 0; i < 3000; ++i) {
    const Tensor x = rand({8, 1}, generator);
    layer(x);
    exact(x.to(kFloat64));
  }
  EXPECT_LT(relative_error(layer.running_mean, exact.running_mean), 1e-6);
  EXPECT_LT(relative_error(layer.running_var, exact.running_var), 1e-6);
}

}  // namespace
}  // namespace descent
