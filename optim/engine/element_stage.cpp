#include <descent/autograd/engine.h>
#include <descent/autograd/grad_mode.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/launch.h>
#include <descent/core/parallel.h>
#include <descent/core/random.h>
#include <descent/optim/engine/stages.h>

#include <algorithm>
#include <utility>

namespace descent::optim::detail {

using descent::detail::PoolVector;
using Numbers = std::array<double, kMaxNumbers>;

constexpr std::int64_t kChunk = 16384;  // elements in a task
// For fewer elements than this, waking a thread takes longer than the thread saves.
constexpr std::int64_t kWorthThreads = 6 * kChunk;

/// The rule of a group at one step. One Binding serves all parameters that have the same count of
/// updates, dtype and numbers.
struct ElementStage::Binding {
  int group;
  std::int64_t t;
  DType dtype;
  Numbers before, after;  // the rule's numbers, before and after the rule was bound
  BoundRule rule;
};

/// A parameter that is updated. Its elements lie in one block of memory. Gradient and slots lie in
/// memory in the same order.
struct ElementStage::Work {
  std::size_t index;
  std::size_t binding;    // which of bindings_ holds its rule
  std::int64_t first, n;  // its elements are first to first + n − 1 of all elements of the update
  GradientView view;
  Tensor gradient;                          // the gradient before any copy; kept alive here
  Tensor weight_copy = {}, grad_copy = {};  // defined if the originals differ in layout
  char* weight = nullptr;
  const char* grad = nullptr;
  char* kept[kMaxSlots + 1] = {};
  double sums[kMaxSums] = {};  // what the measuring pass has summed
};

ElementStage::ElementStage(Ledger& ledger) : Stage(ledger) {}
ElementStage::~ElementStage() = default;

/// Returns the number of the Binding for parameter i, and makes it if there is none that fits.
/// Usually one Binding serves a whole group. A rule that measures gets one for each parameter, and
/// is bound to its measuring formula first.
std::size_t ElementStage::bind(std::size_t i) {
  const Ledger::Record& m = ledger_.records[i];
  const DType dtype = ledger_.parameters[i].value.dtype();
  Numbers numbers{};
  std::copy(m.numbers.begin(), m.numbers.end(), numbers.begin());
  const ElementRule& rule = rule_of(i);
  if (!rule.measures)
    for (std::size_t k = 0; k < bindings_.size(); ++k)
      if (const Binding& b = bindings_[k];
          b.group == m.group && b.t == m.t + 1 && b.dtype == dtype && b.before == numbers)
        return k;
  Binding& b = bindings_.emplace_back(Binding{m.group, m.t + 1, dtype, numbers, numbers, {}});
  const Step step{b.t, ledger_.steps, b.after.data()};
  b.rule = rule.bind(step, dtype, rule.measures);
  return bindings_.size() - 1;
}

void ElementStage::plan(const Update& update) {
  held_.clear();
  held_.reserve(ledger_.parameters.size());  // hold_plan() takes no memory
  bindings_.clear();
  work_.clear();
  std::int64_t total = 0;
  for (std::size_t i = 0; i < ledger_.parameters.size(); ++i) {
    const Tensor &w = ledger_.parameters[i].value, &g = update.raw(i);
    if (!g.defined() || ledger_.rule_of(i).kind != RuleKind::element) continue;
    work_.push_back({i, bind(i), total, w.numel(), update.view(i), g});
    Work& item = work_.back();
    total += item.n;
    if (!kernel::is_dense(w)) item.weight_copy = kernel::contiguous(w);
    const Tensor& weight = item.weight_copy.defined() ? item.weight_copy : w;
    if (!(g.strides() == weight.strides()) && !(g.is_contiguous() && weight.is_contiguous())) {
      item.grad_copy = empty_like(weight);
      kernel::copy(g, item.grad_copy);
    }
    item.weight = static_cast<char*>(weight.raw());
    item.grad = static_cast<const char*>((item.grad_copy.defined() ? item.grad_copy : g).raw());
    point_at_slots(item);
  }
}

/// Fills in where the slots lie that the formula of a Work takes.
void ElementStage::point_at_slots(Work& item) {
  const BoundRule& rule = bindings_[item.binding].rule;
  const std::size_t i = item.index;
  for (int k = 0; k < rule.slot_count; ++k) {
    const bool curvature = rule.slot_ids[k] == kCurvature;
    if (curvature) curvature_.resize(ledger_.parameters.size());
    Tensor& t = curvature ? curvature_[i] : ledger_.slot(i, rule.slot_ids[k]);
    if (!t.defined()) t = zeros_like(ledger_.parameters[i].value);  // no estimate was made
    item.kept[k] = static_cast<char*>(t.raw());
  }
}

/// Makes all slots that the rule of parameter i uses at its present settings.
void ElementStage::make_slots(std::size_t i) {
  const auto used = rule_of(i).slots_in_use(ledger_.parameters[i].value.dtype());
  for (std::size_t k = 0; k < ledger_.records[i].kept.size(); ++k)
    if (used[k]) ledger_.slot(i, static_cast<int>(k));
}

bool ElementStage::plan_again(const Update& update, bool check_finite) {
  holds_ = false;
  if (held_.size() != ledger_.parameters.size() || update.has_made()) return false;
  for (std::size_t i = 0; i < held_.size(); ++i)
    if (!update.raw(i).is_same(held_[i])) return false;
  for (const Work& item : work_)
    if (ledger_.parameters[item.index].value.raw() != item.weight) return false;
  if (check_finite)
    for (const Work& item : work_)
      if (kernel::magnitude(item.grad, item.n, bindings_[item.binding].dtype) !=
          kernel::Magnitude::ordinary)
        return false;
  std::vector<Tensor> held = std::exchange(held_, {});  // no plan is left if a rule throws
  for (Binding& b : bindings_) {
    const auto& rule =
        static_cast<const ElementRule&>(*ledger_.rules[static_cast<std::size_t>(b.group)]);
    const BoundRule before = b.rule;
    b.before = b.after;
    b.rule = rule.bind({++b.t, ledger_.steps, b.after.data()}, b.dtype);
    if (!std::equal(before.slot_ids, before.slot_ids + before.slot_count, b.rule.slot_ids,
                    b.rule.slot_ids + b.rule.slot_count))
      return false;
  }
  for (Work& item : work_) item.view = update.view(item.index);
  held_ = std::move(held);
  return holds_ = true;
}

/// Keeps the plan if nothing but values can change before the next step. For this,
/// gradients must lie in the memory of a compiled step, nothing was copied, and no rule measures or
/// needs curvature.
void ElementStage::hold_plan() {
  const auto stays = [&](const Work& item) {
    const ElementRule& rule = rule_of(item.index);
    return item.gradient.body().storage->pool && !item.weight_copy.defined() &&
           !item.grad_copy.defined() && !rule.measures && !rule.curves;
  };
  const bool fixed =
      work_.size() == ledger_.parameters.size() && std::all_of(work_.begin(), work_.end(), stays);
  if (fixed)
    for (const Work& item : work_) held_.push_back(item.gradient);
  else
    work_.clear();  // frees the copies too
}

void ElementStage::run() {
  measure();
  const std::int64_t total = work_.empty() ? 0 : work_.back().first + work_.back().n;
  const auto chunk = [&](std::int64_t begin, std::int64_t end) {
    auto item = std::upper_bound(work_.begin(), work_.end(), begin,
                                 [](std::int64_t at, const Work& w) { return at < w.first; }) -
                1;
    for (; begin < end; ++item) {
      const std::int64_t from = begin - item->first, n = std::min(end - begin, item->n - from);
      run_span(*item, from, n, nullptr);
      begin += n;
    }
  };
  parallel_for(total, total < kWorthThreads ? kWorthThreads : kChunk, chunk, Share::in_runs);
  for (const Work& item : work_) {
    Ledger::Record& m = ledger_.records[item.index];
    const Tensor& w = ledger_.parameters[item.index].value;
    ++m.t;
    const Numbers& numbers = bindings_[item.binding].after;
    std::copy(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(m.numbers.size()),
              m.numbers.begin());
    if (item.weight_copy.defined()) kernel::copy(item.weight_copy, w);
    descent::detail::count_write(w);
  }
  share_numbers();
  if (!holds_) hold_plan();
}

void ElementStage::run_span(const Work& item, std::int64_t from, std::int64_t n,
                            double* sums) const {
  const Binding& bound = bindings_[item.binding];
  const std::int64_t at = from * static_cast<std::int64_t>(size_of(bound.dtype));
  void* kept[kMaxSlots + 1];
  for (int k = 0; k < bound.rule.slot_count; ++k) kept[k] = item.kept[k] + at;
  bound.rule.run(bound.rule.formula, n, item.weight + at, item.grad + at, kept, item.view.scale,
                 item.view.limit, sums);
}

/// Runs the measuring pass of the rules that have one, and then binds these rules to their update.
/// The pass may write slots. A built-in rule throws nothing after it: its settings are known, and
/// its slots are there. A user's rule may throw; then all such slots are copied beforehand. Each
/// parameter is cut into pieces from its own beginning, and the sums of the pieces are added in
/// order. The result therefore does not depend on threads or on other parameters.
void ElementStage::measure() {
  struct Piece {
    Work* item;
    std::int64_t from, n;
    double sums[kMaxSums];
  };
  PoolVector<Piece> pieces;
  for (Work& item : work_)
    if (rule_of(item.index).measures)
      for (std::int64_t from = 0; from < item.n; from += kChunk)
        pieces.push_back({&item, from, std::min(kChunk, item.n - from), {}});
  if (pieces.empty()) return;
  const auto measures = [&](const Work& item) { return rule_of(item.index).measures; };
  const bool may_throw = std::ranges::any_of(
      work_, [&](const Work& item) { return measures(item) && !rule_of(item.index).built_in; });
  for (const Work& item : work_)
    if (measures(item)) {
      const std::vector<Tensor>& kept = ledger_.records[item.index].kept;
      if (!std::ranges::all_of(kept, &Tensor::defined)) make_slots(item.index);
      if (may_throw) ledger_.remember(item.index, false);
    }
  parallel_for(static_cast<std::int64_t>(pieces.size()), 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (auto i = begin; i < end; ++i) {
                   Piece& p = pieces[static_cast<std::size_t>(i)];
                   run_span(*p.item, p.from, p.n, p.sums);
                 }
               });
  for (const Piece& p : pieces)
    for (int k = 0; k < kMaxSums; ++k) p.item->sums[k] += p.sums[k];

  const ElementRule* last = nullptr;
  double shared[kMaxSums];
  for (Work& item : work_) {
    const ElementRule& rule = rule_of(item.index);
    if (!rule.measures) continue;
    // Rules of one type share their sums; two rules of one type have one and the same card.
    if (rule.shares_sums && (!last || &last->card != &rule.card)) {
      last = &rule;
      std::fill(shared, shared + kMaxSums, 0.0);
      for (const Work& other : work_)
        if (&rule_of(other.index).card == &rule.card)
          for (int k = 0; k < kMaxSums; ++k) shared[k] += other.sums[k];
    }
    Binding& b = bindings_[item.binding];
    b.after = b.before;
    b.rule = rule.bind({b.t, ledger_.steps, b.after.data(), rule.shares_sums ? shared : item.sums},
                       b.dtype);
    point_at_slots(item);
  }
}

/// If a rule shares its sums, all parameters of the rule have the same numbers, also parameters
/// without a gradient. Copies the numbers of the first updated parameter to the others.
void ElementStage::share_numbers() {
  const Card* last = nullptr;
  for (const Work& item : work_) {
    const ElementRule& rule = rule_of(item.index);
    if (!rule.shares_sums || &rule.card == last) continue;
    last = &rule.card;
    const std::vector<double>& shared = ledger_.records[item.index].numbers;
    for (std::size_t i = 0; i < ledger_.records.size(); ++i)
      if (&ledger_.rule_of(i).card == last)
        std::ranges::copy(shared, ledger_.records[i].numbers.begin());
  }
}

// ---- curvature, for rules that have wants_curvature() ----

bool ElementStage::wants_curvature() const {
  const Step next{ledger_.steps + 1, ledger_.steps};
  return std::ranges::any_of(ledger_.rules, [&](const auto& rule) {
    return rule->curves && static_cast<const ElementRule&>(*rule).wants_curvature(next);
  });
}

/// Hutchinson's estimate of the diagonal of the Hessian H: u ⊙ Hu, with u of random signs. The mean
/// of u ⊙ Hu over all u is diag H. The closure leaves gradients with a graph. The estimate leaves
/// the same gradients without a graph.
double ElementStage::evaluate_with_curvature(const Closure& closure) {
  const double loss = [&] {
    const descent::detail::CreateGraphGuard graph;
    return closure(nullptr);
  }();
  std::vector<Tensor> leaves, gradients, probes;
  std::vector<std::size_t> indices;
  const Parameters& all = ledger_.parameters;
  std::vector<Tensor> curvature = curvature_;
  curvature.resize(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Tensor g = all[i].value.grad();
    if (!g.defined() || !ledger_.rule_of(i).curves) continue;
    curvature[i] = zeros_like(all[i].value);
    if (!g.requires_grad()) continue;  // the loss is linear in this parameter: its curvature is 0
    Generator generator(static_cast<std::uint64_t>(ledger_.steps) * 1000003 + i);
    const NoGradGuard no_grad;
    probes.push_back(randint(0, 2, g.shape(), generator).to(g.dtype()) * 2 - 1);
    leaves.push_back(all[i].value);
    gradients.push_back(g);
    indices.push_back(i);
  }
  if (!leaves.empty()) {
    const std::vector<Tensor> products = grad(gradients, leaves, probes, {.allow_unused = true});
    ++ledger_.evaluations_now;
    const NoGradGuard no_grad;
    for (std::size_t k = 0; k < leaves.size(); ++k)
      if (products[k].defined()) curvature[indices[k]].copy_(probes[k] * products[k]);
  }
  for (const Parameter& p : all)
    if (const Tensor g = p.value.grad(); g.defined() && g.requires_grad())
      p.value.set_grad(g.detach());
  ledger_.undo.add([this, old = curvature_]() mutable { curvature_ = std::move(old); });
  curvature_ = std::move(curvature);
  return loss;
}

}  // namespace descent::optim::detail
