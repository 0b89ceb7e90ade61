// Compares the trajectory of every rule and wrapper with the trajectory that
// tests/reference/optimizers.py computed. The name of a case is the description of its optimizer.
// In double, 250 steps (12 for rules that search) must agree to a relative 1e-10. In float, the
// first 10 steps must agree to 1e-5. optim/CONFORMANCE.md is made from the same numbers.
#include "tests/optim/trajectory.h"

#include "tests/support/reference.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

namespace descent {
namespace {

using namespace optim;
using testing::deviation;
using testing::Problem;

constexpr double kDouble = 1e-10, kFloat = 1e-5;

struct Case {
  std::string optimizer, source;
  testing::ReferenceCase numbers;
};

/// The cases by description. In the file " @ " and the source follow the description.
const std::map<std::string, Case>& reference() {
  static const auto cases = [] {
    std::map<std::string, Case> all;
    for (auto& [name, numbers] : testing::read_reference("optimizers.txt")) {
      const std::size_t at = name.find(" @ ");
      all[name.substr(0, at)] = {name.substr(0, at), name.substr(at + 3), std::move(numbers)};
    }
    return all;
  }();
  return cases;
}

Optimizer build(const Case& c, const Problem& p) {
  if (c.optimizer != "groups adamw") return make(c.optimizer, p.parameters());
  Optimizer o(Parameters{{"a", p.a}}, AdamW{.lr = 0.05, .weight_decay = 0.2});
  o.add_group(Parameters{{"b", p.b}}, AdamW{.lr = 0.01, .weight_decay = 0});
  return o;
}

struct Deviation {
  double weights = 0, average = 0;  // the largest relative deviations
  int at = 0;                       // the step where the weights deviate most
};

/// Runs a case and compares the weights with the reference, at the steps that the reference holds.
/// With `rounded`, weights, gradients and losses are rounded to float at every step.
Deviation follow(const Case& c, DType dtype, int most_steps, bool rounded = false) {
  Shape b_shape{4};
  if (const auto found = c.numbers.find("b_shape"); found != c.numbers.end())
    b_shape = {found->second[0][0].item<std::int64_t>(), found->second[0][1].item<std::int64_t>()};
  const Problem p(dtype, b_shape);
  const auto to_float = [](const Tensor& t) { return t.detach().to(kFloat32).to(kFloat64); };
  const auto round_weights = [&] {
    const NoGradGuard guard;
    for (const Tensor& w : {p.a, p.b}) w.copy_(to_float(w));
  };
  if (rounded) round_weights();
  Optimizer o = build(c, p);
  const std::vector<int> steps =
      o.searches() ? std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
                   : std::vector<int>{1, 2, 3, 5, 10, 25, 50, 100, 101, 150, 200, 250};
  const Tensor path = c.numbers.at("path")[0];
  Deviation result;
  int t = 0;
  for (std::size_t row = 0; row < steps.size() && steps[row] <= most_steps; ++row) {
    for (; t < steps[row]; ++t) {
      if (!rounded) {
        p.step(o);
        continue;
      }
      o.step([&] {
        const Tensor loss = p.returned(o);
        if (o.takes_residuals()) return loss.to(kFloat32).to(kFloat64);
        for (const Tensor& w : {p.a, p.b}) w.set_grad(to_float(w.grad()));
        return to_float(loss);
      });
      round_weights();
    }
    const double gap = deviation(p.values(), path[static_cast<std::int64_t>(row)]);
    if (!(gap <= result.weights)) result = {gap, 0, t};
  }
  if (const auto average = c.numbers.find("average");
      average != c.numbers.end() && t == steps.back()) {
    const Tensor before = p.values();
    o.swap_average();
    result.average = deviation(p.values(), average->second[0]);
    o.swap_average();
    EXPECT_EQ(p.values().to_vector(), before.to_vector()) << "not swapped back exactly";
  }
  return result;
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& [name, c] : reference())
    if (c.numbers.contains("path")) all.push_back(name);
  return all;
}

class Trajectory : public ::testing::TestWithParam<std::string> {};

TEST_P(Trajectory, EqualsTheReferenceInDouble) {
  const Deviation d = follow(reference().at(GetParam()), kFloat64, 1000);
  EXPECT_LE(d.weights, kDouble) << "after step " << d.at;
  EXPECT_LE(d.average, kDouble);
}
// Line searches, signs and eigenvectors magnify rounding errors. To find out by how much, runs the
// case in double too, and rounds weights, gradients and losses to float at every step. The
// tolerance is 50 times the deviation of this run, and at least kFloat.
TEST_P(Trajectory, EqualsTheReferenceInFloat) {
  const Case& c = reference().at(GetParam());
  const Deviation d = follow(c, kFloat32, 10), rounding = follow(c, kFloat64, 10, true);
  // SOAP's bases are rounded too. Along a direction that no gradient has had yet, the projection of
  // the gradient is only a rounding error. SOAP divides this error by an eps of 1e-4.
  const bool soap =
      c.optimizer.starts_with("soap(") && c.optimizer.find("eps=0.0001") != std::string::npos;
  EXPECT_LE(d.weights, soap ? 5e-4 : std::max(kFloat, 50 * rounding.weights))
      << "after step " << d.at;
}

INSTANTIATE_TEST_SUITE_P(Table, Trajectory, ::testing::ValuesIn(names()), [](const auto& i) {
  std::string name;
  for (const char c : i.param)
    if (std::isalnum(static_cast<unsigned char>(c)))
      name += c;
    else if (!name.empty() && name.back() != '_')
      name += '_';
  return name;
});

TEST(TrajectoryTable, HasEveryRuleAndWrapper) {
  std::set<std::string> seen;
  for (const std::string& name : names()) {
    if (name.starts_with("groups")) continue;
    Expression e = Expression::parse(name);
    while (find_optimizer(e.text).is_wrapper) {
      seen.insert(e.text);
      e = Expression(e.arguments.front().value);
    }
    seen.insert(e.text);
  }
  // These four have other tests: noise is random, skip_non_finite changes no finite step,
  // muon_adamw consists of Muon and AdamW, and kfac needs a net: see kfac_test.cpp.
  const std::set<std::string> others{"noise", "skip_non_finite", "muon_adamw", "kfac"};
  for (const Entry& e : registry()) {
    if (others.contains(e.name)) continue;
    EXPECT_TRUE(seen.contains(e.name)) << e.name << " has no reference";
  }
}

/// The text of optim/CONFORMANCE.md: each case with its largest deviation. The deviation is rounded
/// up to a power of ten, so that machines with slightly different rounding give the same page.
std::string page() {
  const auto bound = [](double d) {
    if (d == 0) return std::string("0");
    return to_text("1e", std::max(-16, static_cast<int>(std::ceil(std::log10(d)))));
  };
  std::string s = R"(# Conformance

Made by `optim_tests` from `tests/reference/optimizers.txt`; do not edit. Every rule and wrapper against an
independent implementation: PyTorch 1.13.1, or NumPy written from the paper (`tests/reference/optimizers.py`).
250 steps (12 of rules that search) on a problem whose gradient changes sign and scale. The columns give the largest
deviation, |a − b| / max(1, |b|), rounded up to a power of ten: in double over all steps, in float over the
first 10. Tests fail above 1e-10 in double; in float above 1e-5, or 50 times what rounding weights, gradients
and losses to float does to a run in double, or for SOAP with an eps of 1e-4 above 5e-4. K-FAC needs a net: eight
nets follow `tests/reference/kfac.py` for 300 steps to 1e-10 (`tests/optim/kfac_test.cpp`).

| Optimizer | double | float | Reference |
|---|---|---|---|
)";
  for (const std::string& name : names()) {
    const Case& c = reference().at(name);
    const Deviation d = follow(c, kFloat64, 1000), f = follow(c, kFloat32, 10);
    s += to_text("| `", name, "` | ", bound(std::max(d.weights, d.average)), " | ",
                 bound(f.weights), " | ", c.source, " |\n");
  }
  s += R"(
## Where libraries disagree

| What | Descent | Others, and the switch |
|---|---|---|
| SGD, momentum and rate | gradient form `b = μb + g, θ −= ηb`, as PyTorch | step form `v = μv + ηg, θ −= v`: `step_form=true`. They differ once the rate changes |
| SGD, dampening on the first gradient | none, as PyTorch | TensorFlow and others have no dampening |
| AdaGrad, RMSProp: ε | outside the root, as PyTorch | inside it, as in many texts: `eps_inside_sqrt=true` |
| Adam: ε | after the division by √(1−β₂ᵗ), as Alg. 1 of the paper | before it ("ε̂", as TensorFlow): eps·√(1−β₂ᵗ) in its place |
| AMSGrad | maximum of the raw v, then corrected, as PyTorch | maximum of the corrected v (Optax); no correction (the paper) |
| Adam's `weight_decay` | L2, added to the gradient | decoupled: `adamw` |
| AdamW: decay and schedule | scaled by η, as PyTorch | by the schedule's factor alone, as the paper: `decoupled_lr=true` |
| NAdam | each factor μ once, as PyTorch with `foreach=True` | PyTorch's default path carries μ once more |
| RAdam | ε beside √v; rectified from ρ > 5, as PyTorch with `foreach=False` | its `foreach` path drops ε; the paper has ρ > 4 and no ε |
| ASGD: rate | that of the present step | PyTorch's follows the rate of the step before |
| Adan: β | what is kept | the paper, and at one place Optax, write 1 − β |
| NAdamW: m̂ | m corrected for step t + 1 and g for step t, as Optax | AlgoPerf's first code corrects both for step t; NAdam changes μ with time besides |
| ADOPT: decay | decoupled, none at the first step | the authors' code adds λθ to g by default |
| BFGS: first H | (yᵀs/yᵀy)·I before the first update, as Nocedal & Wright | SciPy keeps I |
| SSBroyden: first τ | h/(1 + aθ), the authors' `initial_scale` | their default divides the identity by τ as at later steps |
| Adafactor: ε₁ | added to g², as the paper | added to the factored V (PyTorch's newer `Adafactor`) |
| SOAP: bases | one step of orthogonal iteration at each refresh, as Alg. 4 of the paper | eigenvectors anew: `exact_basis=true` |
| LM: D and λ | D = max(diag(JᵀJ), κD₋), κ = ½ or, while λ > 0.1, 1; λ starts at 1e-3, with acceleration | Moré's D: `scale_memory=1`; MINPACK bounds the step in place of λ |
| Newton–CG: matrix | the Hessian, as Nocedal & Wright; Martens' Gauss–Newton matrix: `hessian_free` | SciPy's Newton-CG has the Hessian; most 'Hessian-free' code has Gauss–Newton |
| SPRING: bias correction | none, as the authors' code | Alg. 1 of the paper divides δ by √(1 − μ²ᵏ) |
| K-FAC: Fisher | exact, of the model's own distribution (`kfac`, `nn::Kfac`) | the paper samples labels; others take the empirical Fisher of the true labels |
| K-FAC: clip and momentum | κ bounds lr²⟨g̃, g⟩, momentum by the rule inside, as kfac-pytorch | the paper scales step and momentum by the exact quadratic model |
| Cautious: divisor | (kept + 1)/n, as Alg. 1 | max(kept/n, 1e-3), the authors' later code: `mean_form=true` |
| Cautious: decay | masked with the step | the authors decay before, without the mask |
| ASAM: T | \|θ\| + 0.01 for all parameters | the authors' code leaves biases at T = 1 |
| GSAM: ρ | constant, or a schedule of its own | follows the rate |
| DoG: ε | once, in the first G | Optax adds it at each step, which gives the same sum |
| DoWG: ε and r̄ | ε = 0, r̄ starts at 1e-6·(1 + ‖θ₀‖) | the authors' code has one ε of 1e-4 for both |
| D-Adaptation of Adam: numerator | v of the step before, as the authors' code | v of this step, as the paper |
| Mechanic: h | absolute, with the weights after the inner step, as the authors' PyTorch code | signed, with those before, as the paper |
| Shampoo: momentum | of the gradient, before the preconditioner, as Shi et al. | none, as the paper of 2018 |
| Polyak: bound | `lr`, as the paper | the authors' code smooths the rate by default |
| CMA-ES: c_μ | ¼ + μ_eff + 1/μ_eff − 2, as the tutorial of 2023 and pycma | μ_eff − 2 + 1/μ_eff, as that of 2016 |
| Clipping by norm | c/‖g‖ exactly | PyTorch divides by ‖g‖ + 1e-6 |
| `cosine` after its last step | stays at `end` | PyTorch's goes up again |
)";
  return s;
}

TEST(ConformancePage, IsUpToDate) {
  const std::string path = std::string(DESCENT_REFERENCE_DIR) + "/../../optim/CONFORMANCE.md";
  const std::string now = page();
  if (std::getenv("DESCENT_WRITE_CONFORMANCE")) {
    std::ofstream(path) << now;
    return;
  }
  std::ifstream in(path);
  std::stringstream written;
  written << in.rdbuf();
  // Another machine may have smaller deviations. All other columns of a line must be equal.
  const auto lines = [](std::istream&& text) {
    std::vector<std::vector<std::string>> all;
    for (std::string line; std::getline(text, line);) {
      std::vector<std::string> cells;
      std::istringstream row(line);
      for (std::string cell; std::getline(row, cell, '|');) cells.push_back(cell);
      all.push_back(cells);
    }
    return all;
  };
  const auto a = lines(std::istringstream(written.str())), b = lines(std::istringstream(now));
  const char* hint =
      "optim/CONFORMANCE.md is stale: run DESCENT_WRITE_CONFORMANCE=1 "
      "optim_tests --gtest_filter='ConformancePage.*'";
  ASSERT_EQ(a.size(), b.size()) << hint;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool numbers = b[i].size() == 5 && b[i][1].find('`') != std::string::npos;
    if (!numbers) {
      ASSERT_EQ(a[i], b[i]) << hint;
      continue;
    }
    ASSERT_EQ(a[i].size(), 5u) << hint;
    EXPECT_EQ(a[i][1], b[i][1]) << hint;
    EXPECT_EQ(a[i][4], b[i][4]) << hint;
    for (const std::size_t k : {std::size_t{2}, std::size_t{3}})
      // A deviation may be ten times as large, plus a little for the rounding of powers of ten.
      EXPECT_LE(std::stod(b[i][k]), 10.5 * std::stod(a[i][k])) << b[i][1] << ": " << hint;
  }
}

TEST(Schedules, EqualTheReference) {
  int compared = 0;
  for (const auto& [name, c] : reference()) {
    if (!name.starts_with("schedule ")) continue;
    const Hyper s = parse_hyper(name.substr(9));
    const std::vector<double> expected = c.numbers.at("values")[0].to_vector();
    for (std::size_t t = 0; t < expected.size(); ++t)
      EXPECT_NEAR(s(static_cast<std::int64_t>(t)), expected[t], 1e-14) << name << " at " << t;
    // The text of a schedule must describe the same schedule.
    const Hyper again = parse_hyper(s.text());
    for (std::int64_t t = 0; t < 100; ++t) EXPECT_EQ(again(t), s(t)) << s.text();
    ++compared;
  }
  EXPECT_GE(compared, 15);
}

TEST(Plateau, EqualsTorchReduceLROnPlateau) {
  const Problem p;
  Optimizer o(p.parameters(), SGD{.lr = 0.1});
  ReduceOnPlateau plateau(o, {.factor = 0.5, .patience = 2, .cooldown = 1, .min = 0.004});
  const auto& numbers = reference().at("plateau").numbers;
  const std::vector<double> metrics = numbers.at("metrics")[0].to_vector(),
                            values = numbers.at("values")[0].to_vector();
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    plateau.step(metrics[i]);
    EXPECT_NEAR(o.get("lr"), values[i], 1e-15) << "after metric " << i;
  }
}

}  // namespace
}  // namespace descent
