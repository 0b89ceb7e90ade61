// The graph: a node for each recorded operator, and record(), which every operator calls.
//
//   Tensor mul(const Tensor& a, const Tensor& b) {  // ∂(ab)/∂a = b, ∂(ab)/∂b = a
//     return record("mul", kernel::mul(a, b), {a, b},
//                   [a = Saved(a), b = Saved(b)](const Tensor& g, Need need) {
//                     return Grads(need[0] ? g * b : Tensor(), need[1] ? g * a : Tensor());
//                   });
//   }
//
// The rule, which stands beside the value, gives the gradients of the inputs from the gradient g of
// the output:
// - A rule is written in differentiable operators, so second and higher order need no code.
// - Where a kernel computes the gradient in one pass, the rule begins with
//   `if (one_pass()) return Grads(kernel::…_grad(…));`.
// - If a rule needs the output y, it takes y as its second argument: (g, y, need). A rule that
//   captured y would keep the graph alive for ever.
// - If a rule passes g on as a gradient, it may take g as Tensor&&.
//
// The engine sums the gradient of a broadcast input back to the input's shape, and converts its
// type.
#pragma once

#include <descent/autograd/grad_mode.h>
#include <descent/core/free_lists.h>
#include <descent/core/pool_vector.h>
#include <descent/core/tensor.h>

#include <array>
#include <atomic>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

namespace descent::detail {

/// Which inputs of a node need a gradient.
class Need {
 public:
  /// Bit i stands for input i.
  explicit Need(std::uint64_t bits) : bits_(bits) {}
  /// True if input i needs a gradient. If a node has more than 64 inputs, every input beyond the
  /// 64th counts as needing a gradient.
  bool operator[](std::size_t i) const { return i >= 64 || (bits_ >> i & 1) != 0; }

 private:
  std::uint64_t bits_;
};

/// The gradients of a node's inputs. An undefined gradient means zero.
class Grads {
 public:
  /// @name A few gradients, or a vector of gradients
  /// @{
  template <class... T>
  requires(std::is_convertible_v<T, Tensor>&&...) explicit Grads(T&&... g)
      : few_{Tensor(std::forward<T>(g))...}, count_(sizeof...(T)) {}
  explicit Grads(std::vector<Tensor> many)
      : many_(std::make_unique<std::vector<Tensor>>(std::move(many))), count_(many_->size()) {}
  /// @}

  std::size_t size() const { return count_; }
  Tensor& operator[](std::size_t i) { return many_ ? (*many_)[i] : few_[i]; }

 private:
  std::array<Tensor, 4> few_;
  std::unique_ptr<std::vector<Tensor>> many_;
  std::size_t count_;
};

/// A new tensor of t's values with t's present history, for a rule to keep. If the rule kept t, and
/// somebody wrote to t in place, t's new history could contain the rule. The rule would then hold
/// itself, and would never be freed. If t is a leaf that requires a gradient, returns t, because a
/// recorded operator cannot write to such a leaf.
Tensor with_present_history(const Tensor& t);

/// A tensor that is kept for backward(). If the tensor was changed in place since, reading it
/// throws GraphError.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& t) : Saved(with_present_history(t)) {}
  explicit Saved(Tensor&& nobody_elses)
      : tensor_(std::move(nobody_elses)), version_(tensor_.defined() ? tensor_.version() : 0) {}
  operator const Tensor&() const {
    check();
    return tensor_;
  }
  const Tensor& operator*() const { return *this; }
  const Tensor* operator->() const { return &**this; }

 private:
  void check() const;
  Tensor tensor_;
  std::uint32_t version_ = 0;
};

/// True if a rule may compute its gradients by a kernel in one pass, because nobody needs a history
/// of the gradients. If false, the rule has to use differentiable operators.
inline bool one_pass() noexcept { return !grad_enabled(); }

struct Backward;  // a run of the engine

/// The number of nodes that a thread made, minus the number of nodes that it destroyed. Only the
/// thread itself writes its count, so that counting needs no atomic operation on shared memory.
/// live_nodes() sums over all counts. When the thread ends, another thread goes on with its count.
struct NodeCount {
  std::atomic<std::int64_t> live{0};
  std::atomic<bool> taken{true};
  NodeCount* next = nullptr;
};
inline constinit thread_local NodeCount* t_node_count = nullptr;
/// Counts n nodes where the thread has no count: before its first node, and while it ends.
void count_first_nodes(std::int64_t n) noexcept;
inline void count_nodes(std::int64_t n) noexcept {
  NodeCount* count = t_node_count;
  if (!count) [[unlikely]]
    return count_first_nodes(n);
  count->live.store(count->live.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

/// Gives the objects of class T blocks of the free lists.
template <class T>
struct FromFreeLists {
  static void* operator new(std::size_t) { return allocate_fixed<sizeof(T)>(); }
  static void operator delete(void* p) noexcept { deallocate_fixed<sizeof(T)>(p); }
};

/// A recorded operator, or a leaf: where gradients arrive.
class Node : public GradEdge {
 public:
  const char* name;       // a literal, or a string that outlives the node
  std::uint64_t order;    // larger than the order of every input; 0 for a leaf
  bool released = false;  // a run has freed the rule
  /// Inputs that were released when this node was made, here and in the chain of such nodes below.
  std::uint32_t freed_inputs = 0;
  Shape shape;  // of the output, to which gradients are summed
  DType dtype;

  /// Rarely used parts, made on demand.
  struct Extra {
    Tensor grad;  // if retain_grad() was called
    bool retain = false;
    std::vector<std::function<Tensor(const Tensor&)>> hooks;
  };
  std::unique_ptr<Extra> extra;

  /// The nodes of the operator's inputs. An entry is null if the input needs no gradient, or if a
  /// backward() that freed the graph has taken it.
  std::span<RefPtr<Node>> inputs;

  bool is_leaf() const noexcept { return order == 0; }
  /// The gradients of the inputs, from the gradient g of the output. Unless `keep` is true, drops
  /// what the rule saved and sets `released`.
  virtual Grads backward(Tensor&& g, Need need, bool keep) = 0;

  // For the engine, during a run. A leaf may be a part of graphs on several threads. It belongs to
  // the run that comes first, and other runs keep what they have for it themselves.
  Tensor pending;                        // of the run that the node belongs to
  std::atomic<Backward*> run = nullptr;  // the run that the node belongs to
  enum class Mark : std::uint8_t { none, seen, useful } mark = Mark::none;

 protected:
  Node(const char* node_name, const Tensor& output, std::uint64_t node_order) noexcept
      : name(node_name), order(node_order), shape(output.shape()), dtype(output.dtype()) {
    count_nodes(1);
  }
  ~Node() override { count_nodes(-1); }
  /// Called if an input was released: warns once of a sum that grows over many steps.
  void count_freed_inputs();
  void dispose() noexcept override;
  virtual void destroy_self() noexcept = 0;

 private:
  Node* next_disposed_ = nullptr;
};

/// A run of backward() under create_graph, as long as a leaf keeps a gradient of it.
struct KeptRun : RefCounted {
  KeptRun();
  ~KeptRun();
  KeptRun(const KeptRun&) = delete;
  KeptRun& operator=(const KeptRun&) = delete;
  static void destroy(KeptRun* run) noexcept { delete run; }
};

/// Where a leaf's gradient is collected.
class Leaf final : public Node, public FromFreeLists<Leaf> {
 public:
  explicit Leaf(const Tensor& t) noexcept : Node("leaf", t, 0) {}
  Tensor grad;
  std::atomic<bool> collecting = false;  // a run adds to `grad` now
  std::vector<RefPtr<KeptRun>> kept;     // the runs whose graphs `grad` keeps alive
  Grads backward(Tensor&&, Need, bool) override { return Grads(); }

 private:
  void destroy_self() noexcept override { delete this; }
};

/// Makes g the gradient of a leaf. In a recorded step, each replay does it again.
void set_leaf_grad(Leaf& leaf, Tensor g);
/// The gradient that a leaf has collected. A step that is being recorded will only be replayed if
/// the leaf has the same gradient tensor again.
const Tensor& leaf_grad(const Leaf& leaf);

inline constinit thread_local std::uint64_t t_order = 0;
/// The order of a new node: larger than every order that this thread gave, and than the order of
/// every input.
inline std::uint64_t next_order(std::span<const RefPtr<Node>> inputs) noexcept {
  for (const auto& input : inputs)
    if (input && input->order > t_order) t_order = input->order;  // another thread made the input
  return ++t_order;
}
[[noreturn]] void throw_released(const char* name);
void check_for_nan(const char* name, const Tensor& value);
[[noreturn]] void throw_stale_view(const char* name);

/// The node of the operator that made t, or t's leaf. Null if t has no node. The pointer is valid
/// as long as t has this node.
inline Node* node_of(const Tensor& t) noexcept {
  return t.defined() ? static_cast<Node*>(t.body().edge.get()) : nullptr;
}
/// Throws GraphError if t is a view whose base was changed in place after the view was taken. The
/// history of such a view does not know its new values.
inline void check_view(const Tensor& t, const char* name) {
  if (t.defined() && t.body().is_view && t.body().recorded_at != t.body().storage->recorded)
      [[unlikely]]
    throw_stale_view(name);
}
/// The edge of a new node to the node of its input t.
inline RefPtr<Node> input_edge(const Tensor& t, const char* name) {
  check_view(t, name);
  return RefPtr<Node>::share(node_of(t));
}
/// A tensor with the same memory and no history.
Tensor alias(const Tensor& t);

/// A recorded operator, which holds its rule in the same block of memory. Inputs is an array or a
/// vector of edges.
template <class Rule, class Inputs>
class RuleNode final : public Node, public FromFreeLists<RuleNode<Rule, Inputs>> {
  static constexpr bool kUsesOutput = std::is_invocable_v<Rule&, Tensor&&, const Tensor&, Need>;

 public:
  RuleNode(const char* node_name, const Tensor& output, Inputs&& in, Rule&& rule)
      : Node(node_name, output, next_order(in)), inputs_(std::move(in)), rule_(std::move(rule)) {
    if constexpr (kUsesOutput) output_ = Saved(alias(output));
    inputs = inputs_;
    bool freed = false;
    for (const auto& input : inputs_) freed |= input && input->released;
    if (freed) [[unlikely]]
      count_freed_inputs();
  }

  Grads backward(Tensor&& g, Need need, bool keep) override {
    Grads grads = differentiate(std::move(g), need);
    if (!keep) {
      released = true;
      rule_.reset();
      if constexpr (kUsesOutput) output_ = Saved();
    }
    return grads;
  }

 private:
  Grads differentiate(Tensor&& g, Need need) {
    if constexpr (kUsesOutput) {
      if (!grad_enabled()) return (*rule_)(std::move(g), *output_, need);
      Tensor y = alias(*output_);
      y.body().edge = RefPtr<GradEdge>::share(this);
      return (*rule_)(std::move(g), y, need);
    } else {
      return (*rule_)(std::move(g), need);
    }
  }
  void destroy_self() noexcept override { delete this; }
  Inputs inputs_;
  std::optional<Rule> rule_;
  struct Nothing {};
  [[no_unique_address]] std::conditional_t<kUsesOutput, Saved, Nothing> output_;
};

/// Makes a node with these edges and this rule, and gives it to `value`.
template <class Rule, class Inputs>
Tensor attach(const char* name, Tensor&& value, Inputs&& edges, Rule&& rule) {
  using N = RuleNode<std::remove_cvref_t<Rule>, Inputs>;
  auto* node = new N(name, value, std::forward<Inputs>(edges), std::forward<Rule>(rule));
  value.body().edge = RefPtr<GradEdge>(node);
  return std::move(value);
}

/// Refers to an input without counting a reference, for the braced list of inputs of record().
/// Lives for one call of record().
struct Input {
  const Tensor* tensor;
  Input(const Tensor& t) : tensor(&t) {}
};

template <std::size_t N, std::size_t... kAt>
[[gnu::always_inline]] inline std::array<RefPtr<Node>, N> input_edges(const Input (&inputs)[N],
                                                                      const char* name,
                                                                      std::index_sequence<kAt...>) {
  return {input_edge(*inputs[kAt].tensor, name)...};
}

/// Gives `value` a history, if operators are recorded and an input requires a gradient. Returns
/// `value`.
/// rule: (const Tensor& g, Need) → Grads. A rule that needs the output y: (g, const Tensor& y,
/// Need) → Grads. Throws GraphError for a stale view among the inputs.
template <std::size_t N, class Rule>
Tensor record(const char* name, Tensor value, const Input (&inputs)[N], Rule rule) {
  if (anomaly_enabled()) [[unlikely]]
    check_for_nan(name, value);
  if (!grad_enabled()) return value;
  auto edges = input_edges(inputs, name, std::make_index_sequence<N>());
  bool any = false;
  for (const auto& edge : edges) any |= static_cast<bool>(edge);
  if (!any) return value;
  return attach(name, std::move(value), std::move(edges), std::move(rule));
}
/// The same as record(), for any number of inputs.
template <class Rule>
Tensor record_many(const char* name, Tensor value, const std::vector<Tensor>& inputs, Rule rule) {
  if (anomaly_enabled()) [[unlikely]]
    check_for_nan(name, value);
  if (!grad_enabled()) return value;
  std::vector<RefPtr<Node>> edges;
  bool any = false;
  for (const Tensor& t : inputs) {
    edges.push_back(input_edge(t, name));
    any |= static_cast<bool>(edges.back());
  }
  if (!any) return value;
  return attach(name, std::move(value), std::move(edges), std::move(rule));
}

}  // namespace descent::detail
