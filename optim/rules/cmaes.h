// CMA-ES: an evolution strategy, which needs the loss alone.
#pragma once

#include <descent/core/error.h>
#include <descent/optim/engine/rule.h>
#include <descent/optim/engine/search_rule.h>

namespace descent::optim {

namespace detail {
/// What one generation of CMA-ES leaves to the next.
struct CmaMemory {
  std::int64_t generation = 0;
  double sigma = 0;         ///< step size σ
  Tensor covariance;        ///< C, (n, n)
  Tensor path, path_sigma;  ///< the evolution paths p_c and p_σ, (n)
  void state(StateVisitor& visit, std::int64_t n);
};
}  // namespace detail

/// CMA-ES, the covariance matrix adaptation evolution strategy. Source: Hansen 2016,
/// arXiv:1604.00772, with the default parameters of its Table 1 (2023), negative weights included.
/// A step is one generation: λ candidates x = m + σ·C^½·z with z ~ N(0, I) are evaluated, and the
/// mean m, C and σ follow the better half. The weights are m.
/// Deviations: candidates are drawn with the symmetric root of C, not with B·D, so that the signs
/// of eigenvectors do not matter. σ is unbounded. A loss that is not finite counts as the worst.
///
/// The closure returns the loss and needs no backward(). Generation k draws from
/// Generator(seed, k), so a run is the same for any number of threads and after a resume. Works in
/// double for every dtype. Throws ValueError for more than 2,000 parameters: a generation takes the
/// eigenvectors of C.
struct CmaEs {
  /// sigma: first step size, about a third of the way to the solution. population: candidates of a
  /// generation, λ; 0 for 4 + ⌊3·ln n⌋, else at least 2. seed: that of the draws.
  Hyper sigma = 0.3, population = 0, seed = 0;

  static constexpr Card card{
      .name = "cmaes",
      .title = "CMA-ES, which needs no gradient",
      .formula = "x = m + σ C^½ z;  m, C and σ follow the better half of the candidates",
      .paper = "Hansen 2016, arXiv:1604.00772",
      .when = "Rugged or noisy losses without a useful gradient, of up to some hundred weights.",
      .avoid = "Smooth losses: with gradients, bfgs needs a hundredth of the evaluations.",
      .traps = "sigma should be a third of the distance to the solution, the same for all weights.",
      .most_weights = 2000,
      .gradient_evaluations = 11};
  /// None: the memory keeps C.
  static constexpr std::array<const char*, 0> slot_names{};
  static void fields(auto& r, auto&& f) {
    f("sigma", r.sigma, kPositive);
    f("population", r.population, Range{0, 1e6});
    f("seed", r.seed, Range{0, 1e15});
  }
  /// Throws ValueError for a population of 1, whose better half is nobody.
  void check() const {
    if (const double given = population(0); given > 0 && given < 2)
      fail<ValueError>("cmaes", "got population = ", given,
                       ", expected 0, for 4 + ⌊3·ln n⌋, or at least 2");
  }
  using Memory = detail::CmaMemory;            ///< what one generation leaves to the next
  static constexpr bool gradient_free = true;  ///< the closure need not call backward()
  void minimize(Search& search, Memory& memory) const;
};

}  // namespace descent::optim

#define DESCENT_BUILT_IN CmaEs
#include <descent/optim/engine/built_in.inc>
