#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/linalg.h>
#include <descent/core/random.h>
#include <descent/optim/engine/least_squares.h>
#include <descent/optim/engine/state.h>
#include <descent/optim/rules/cmaes.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace descent::optim {

void detail::CmaMemory::state(StateVisitor& visit, std::int64_t n) {
  visit("generation", generation);
  const bool begun = generation > 0;
  visit("sigma", sigma, true);
  visit("covariance", covariance, {n, n}, kFloat64, begun);
  visit("path", path, {n}, kFloat64, begun);
  visit("path_sigma", path_sigma, {n}, kFloat64, begun);
}

namespace {

/// The parameters of Hansen's Table 1, for n weights and λ candidates; the names are his.
struct CmaConstants {
  std::size_t mu;         // how many of the best are averaged
  std::vector<double> w;  // the weights of the candidates, from the best to the worst
  double mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi;  // chi = E‖N(0, I)‖

  CmaConstants(double n, std::size_t lambda) : mu(lambda / 2) {
    for (std::size_t i = 1; i <= lambda; ++i)
      w.push_back(std::log((static_cast<double>(lambda) + 1) / 2) -
                  std::log(static_cast<double>(i)));
    const auto middle = w.begin() + static_cast<std::ptrdiff_t>(mu);
    const auto mass = [](auto begin, auto end) {
      const double s = std::accumulate(begin, end, 0.0);
      return s * s / std::inner_product(begin, end, begin, 0.0);
    };
    mu_eff = mass(w.begin(), middle);
    c_sigma = (mu_eff + 2) / (n + mu_eff + 5);
    d_sigma = 1 + 2 * std::max(0.0, std::sqrt((mu_eff - 1) / (n + 1)) - 1) + c_sigma;
    c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n);
    c_1 = 2 / ((n + 1.3) * (n + 1.3) + mu_eff);
    c_mu = std::min(1 - c_1, 2 * (0.25 + mu_eff + 1 / mu_eff - 2) / ((n + 2) * (n + 2) + mu_eff));
    const double negative = std::min({1 + c_1 / c_mu, 1 + 2 * mass(middle, w.end()) / (mu_eff + 2),
                                      (1 - c_1 - c_mu) / (n * c_mu)});
    double up = 0, down = 0;
    for (const double x : w) (x > 0 ? up : down) += std::fabs(x);
    for (double& x : w) x *= x >= 0 ? 1 / up : negative / down;
    chi = std::sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
  }
};

}  // namespace

void CmaEs::minimize(Search& s, Memory& memory) const {
  using detail::product;
  const std::int64_t n = s.x.numel();
  const double size = static_cast<double>(n), given = std::floor(population(s.step));
  if (n == 0) return;
  const std::int64_t lambda = given > 0
                                  ? std::max(static_cast<std::int64_t>(given), std::int64_t{2})
                                  : 4 + static_cast<std::int64_t>(3 * std::log(size));
  const CmaConstants p(size, static_cast<std::size_t>(lambda));
  if (memory.generation == 0) {
    memory.sigma = sigma(s.step);
    memory.covariance = eye(n, kFloat64);
    memory.path = memory.path_sigma = zeros({n}, kFloat64);
  }
  Generator generator(static_cast<std::uint64_t>(seed(s.step)),
                      static_cast<std::uint64_t>(memory.generation));
  const Tensor draws = randn({lambda, n}, generator, kFloat64);
  const auto [squares, vectors] = kernel::eigh(memory.covariance);
  const Tensor root = matmul(vectors * sqrt(maximum(squares, 0.0)), vectors.t());
  const Tensor candidates = matmul(draws, root);

  std::vector<double> losses;
  for (std::int64_t i = 0; i < lambda; ++i) {
    const double loss = s.evaluate(s.x + candidates[i] * memory.sigma).first;
    losses.push_back(std::isfinite(loss) ? loss : HUGE_VAL);
  }
  if (std::ranges::all_of(losses, [](double loss) { return loss == HUGE_VAL; }))
    fail<NonFiniteError>("cmaes", "got ", lambda,
                         " losses that are all NaN or infinite, expected "
                         "numbers. Hint: start where the loss is finite, or lower sigma");
  std::vector<std::int64_t> order(losses.size());
  std::iota(order.begin(), order.end(), 0);
  const auto loss_of = [&](std::int64_t i) { return losses[static_cast<std::size_t>(i)]; };
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return loss_of(a) != loss_of(b) ? loss_of(a) < loss_of(b) : a < b;
  });
  const Tensor index = tensor(order), z = index_select(draws, 0, index),
               y = index_select(candidates, 0, index), weights = tensor(p.w);
  const auto best = static_cast<std::int64_t>(p.mu);
  const auto mean_of = [&](const Tensor& rows) {
    return product(rows.slice(0, 0, best).t(), weights.slice(0, 0, best));
  };
  const Tensor y_mean = mean_of(y);
  s.x = s.x + y_mean * memory.sigma;

  const double t = static_cast<double>(++memory.generation), keep = 1 - p.c_sigma;
  memory.path_sigma =
      memory.path_sigma * keep + mean_of(z) * std::sqrt(p.c_sigma * (2 - p.c_sigma) * p.mu_eff);
  const double length = detail::length(memory.path_sigma);
  const bool calm = length / std::sqrt(1 - std::pow(keep, 2 * t)) < (1.4 + 2 / (size + 1)) * p.chi;
  const double rest = p.c_c * (2 - p.c_c);
  memory.path = memory.path * (1 - p.c_c) + y_mean * (calm ? std::sqrt(rest * p.mu_eff) : 0);
  // A negative weight counts for a candidate of usual length.
  const Tensor lengths = sum(square(z), {1});
  const Tensor scaled = where(weights >= 0.0, weights, weights * size / lengths);
  const double sum_of_weights = std::accumulate(p.w.begin(), p.w.end(), 0.0);
  const Tensor column = memory.path.unsqueeze(1);
  memory.covariance =
      memory.covariance * (1 + (calm ? 0 : p.c_1 * rest) - p.c_1 - p.c_mu * sum_of_weights) +
      matmul(column, column.t()) * p.c_1 + matmul((y * scaled.unsqueeze(1)).t(), y) * p.c_mu;
  memory.sigma *= std::exp(p.c_sigma / p.d_sigma * (length / p.chi - 1));
}

}  // namespace descent::optim
