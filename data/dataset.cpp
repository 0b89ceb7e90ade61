#include <descent/autograd/ops/reduce.h>
#include <descent/autograd/ops/shape.h>
#include <descent/core/create.h>
#include <descent/core/random.h>
#include <descent/data/dataset.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace descent::data {

Dataset Dataset::subset(const Tensor& index) const {
  return {name, x.index_select(0, index), y.index_select(0, index), features, classes};
}

std::pair<Tensor, Tensor> split_rows(std::int64_t n, double fraction, std::uint64_t seed) {
  const auto first = static_cast<std::int64_t>(static_cast<double>(n) * fraction + 1e-9);
  if (!(fraction > 0 && fraction < 1) || first < 1 || first >= n)
    fail<ValueError>("split", "got fraction ", fraction, " of ", n,
                     " samples, expected one in (0, 1) that leaves samples on both sides");
  Generator generator(seed, 1);
  const Tensor order = randperm(n, generator);
  return {order.slice(0, 0, first), order.slice(0, first)};
}

std::pair<Tensor, Tensor> split_rows(const Tensor& labels, double fraction, std::uint64_t seed) {
  if (labels.dim() != 1 || labels.dtype() != kInt64)
    fail<ShapeError>("split", "got labels ", labels.shape(), " of ", labels.dtype(),
                     ", expected (N) int64");
  const auto [head, rest] = split_rows(labels.numel(), fraction, seed);
  const std::vector<std::int64_t> label = labels.to_vector<std::int64_t>();
  std::map<std::int64_t, std::int64_t> quota;  // how many samples of a class are for training
  for (const std::int64_t y : label) ++quota[y];
  for (auto& [y, n] : quota) {
    const auto share = static_cast<std::int64_t>(std::lround(fraction * static_cast<double>(n)));
    n = n == 1 ? 1 : std::clamp<std::int64_t>(share, 1, n - 1);
  }
  std::vector<std::int64_t> train, test;
  for (const std::int64_t i : cat({head, rest}).to_vector<std::int64_t>())
    (quota[label[static_cast<std::size_t>(i)]]-- > 0 ? train : test).push_back(i);
  if (test.empty())
    fail<ValueError>("split", "got ", label.size(),
                     " samples that each have a class of their own, "
                     "expected classes of two samples or more");
  return {tensor(train), tensor(test)};
}

std::vector<Tensor> fold_rows(std::int64_t n, std::int64_t k, std::uint64_t seed) {
  return fold_rows(zeros({n}, kInt64), k, seed);
}

std::vector<Tensor> fold_rows(const Tensor& labels, std::int64_t k, std::uint64_t seed) {
  const std::int64_t n = labels.numel();
  if (k < 2 || k > n)
    fail<ValueError>("folds", "got ", k, " folds of ", n, " samples, expected 2 to ", n);
  Generator generator(seed, 2);
  auto order = randperm(n, generator).to_vector<std::int64_t>();
  const auto label = labels.to_vector<std::int64_t>();
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return label[static_cast<std::size_t>(a)] < label[static_cast<std::size_t>(b)];
  });
  std::vector<std::vector<std::int64_t>> parts(static_cast<std::size_t>(k));
  for (std::size_t i = 0; i < order.size(); ++i) parts[i % parts.size()].push_back(order[i]);
  std::vector<Tensor> folds;
  for (const auto& part : parts) folds.push_back(tensor(part));
  return folds;
}

Split split(const Dataset& all, double fraction, std::uint64_t seed) {
  const auto [train, test] = all.is_classification() ? split_rows(all.y, fraction, seed)
                                                     : split_rows(all.size(), fraction, seed);
  return {all.subset(train), all.subset(test)};
}

Standardizer Standardizer::fit(const Tensor& x) {
  if (x.dim() != 2 || x.size(0) < 1)
    fail<ShapeError>("standardize", "got ", x.shape(),
                     ", expected (N, D) with at least one sample");
  const Tensor wide = x.to(kFloat64);
  // What differs in any way is scaled, however small its unit. Rounding gives a constant a
  // deviation too, so the numbers themselves tell.
  Tensor deviation = wide.std({0}, 0).to(x.dtype());
  for (std::int64_t d = 0; d < deviation.numel(); ++d)
    if (const Tensor column = wide.select(1, d);
        !(max(column).item() > min(column).item()) || deviation[d].item() == 0)
      deviation[d].fill_(1);
  return {wide.mean({0}).to(x.dtype()), deviation};
}

Tensor Standardizer::apply(const Tensor& x) const {
  if (x.dim() != 2 || x.size(1) != mean.numel())
    fail<ShapeError>("standardize", "got ", x.shape(), ", expected (N, ", mean.numel(),
                     ") as when it was fitted");
  return x.clone().sub_(mean).div_(std);
}

}  // namespace descent::data
