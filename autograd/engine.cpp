#include <descent/autograd/engine.h>
#include <descent/autograd/fisher.h>
#include <descent/autograd/node.h>
#include <descent/autograd/ops.h>
#include <descent/core/create.h>
#include <descent/core/floating_mode.h>
#include <descent/core/kernels/accumulate.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/pointwise.h>

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

namespace descent {
namespace detail {

namespace {
constexpr auto kEarlier = [](const auto& a, const auto& b) { return a->order < b->order; };

bool sole_owner(const Tensor& t) {
  const Body& b = t.body();
  return b.use_count() == 1 && b.storage->use_count() == 1 && !b.storage->foreign;
}
}  // namespace

const Node* current_node() noexcept { return static_cast<const Node*>(t_running_node); }

/// One run of backward() or grad(). The nodes that have received a gradient wait in a heap, sorted
/// by their order. All consumers of the node with the largest order are done, so the gradient of
/// this node is complete.
struct Backward {
  const char* op;  // the function that the user called, for errors
  bool create_graph, retain_graph;
  PoolVector<RefPtr<Node>> heap;
  // For grad(): the nodes from which a wanted input can be reached, sorted by address. If the list
  // is empty, all nodes are useful.
  PoolVector<Node*> useful;
  bool collect_leaves = true;
  RefPtr<KeptRun> kept;                         // if a leaf has taken a gradient with a history
  PoolVector<std::pair<Node*, Tensor>> others;  // leaves that another run has, with what is pending

  Backward(const char* name, GradOptions options)
      : op(name),
        create_graph(options.create_graph),
        retain_graph(options.retain_graph.value_or(options.create_graph)) {}
  Backward(const Backward&) = delete;
  Backward& operator=(const Backward&) = delete;
  ~Backward() {  // after an exception, resets the nodes that wait
    for (const auto& node : heap)
      if (owns(*node)) release(*node);
  }

  bool owns(const Node& node) const { return node.run.load(std::memory_order_relaxed) == this; }
  /// Takes a node for this run. Returns false if another run has it. Only leaves are shared by
  /// graphs of several threads, so only they need an exchange that is atomic.
  bool claim(Node& node) {
    Backward* nobody = nullptr;
    if (node.is_leaf())
      return node.run.compare_exchange_strong(nobody, this, std::memory_order_acquire);
    if (node.run.load(std::memory_order_relaxed))
      fail<GraphError>("backward", "got a graph that another backward() is running through at '",
                       node.name, "', expected one run at a time");
    node.run.store(this, std::memory_order_relaxed);
    return true;
  }
  /// Gives a node back, and returns the gradient that was pending.
  Tensor release(Node& node) {
    Tensor g = std::exchange(node.pending, Tensor());
    node.run.store(nullptr, std::memory_order_release);
    return g;
  }
  /// The gradient that is pending for a leaf of another run; null if there is none.
  std::pair<Node*, Tensor>* elsewhere(const Node* node) {
    for (auto& entry : others)
      if (entry.first == node) return &entry;
    return nullptr;
  }

  bool is_useful(Node* node) const {
    return useful.empty() || std::binary_search(useful.begin(), useful.end(), node);
  }

  /// Adds g to the gradient that the node has received so far. If nobody else holds this gradient,
  /// adds in place.
  void give(RefPtr<Node> owned, Tensor g) {
    Node* node = owned.get();
    if (g.dtype() != node->dtype) g = g.to(node->dtype);
    if (!(g.shape() == node->shape)) g = sum_to(g, node->shape);
    if (owns(*node)) return add_to(node->pending, std::move(g));
    if (auto* const mine = elsewhere(node)) return add_to(mine->second, std::move(g));
    // Room first: nothing may throw between the claim and the place in the heap.
    if (heap.size() == heap.capacity()) heap.reserve(2 * heap.size() + 8);
    if (claim(*node))
      node->pending = std::move(g);
    else
      others.emplace_back(node, std::move(g));
    heap.push_back(std::move(owned));
    std::push_heap(heap.begin(), heap.end(), kEarlier);
  }
  void add_to(Tensor& pending, Tensor g) {
    if (!create_graph && sole_owner(pending) && kernel::can_accumulate(pending, g))
      kernel::accumulate(pending, g);
    else
      pending = add(pending, g);
  }

  void run_hooks(Node& node, Tensor& g) {
    if (!node.extra) return;
    for (std::size_t i = 0; i < node.extra->hooks.size(); ++i) {
      const auto hook = node.extra->hooks[i];  // a copy: it may register others
      const Tensor replaced = [&] {
        const CallersMode floating;
        return hook(g);
      }();
      if (!replaced.defined()) continue;
      if (!(replaced.shape() == g.shape()) || replaced.dtype() != g.dtype())
        fail<ShapeError>("hook", "got a gradient of ", replaced.dtype(), replaced.shape(),
                         ", expected ", g.dtype(), g.shape());
      g = replaced;
    }
    if (node.extra->retain) node.extra->grad = g;
  }

  void collect(Leaf& leaf, Tensor g) {
    if (const FisherPass* pass = fisher_pass(); pass && !pass->owns(leaf)) return;
    // A leaf's gradient must lie in dense memory that nobody else holds.
    if (!sole_owner(g) || !kernel::is_dense(g)) g = g.clone();
    while (leaf.collecting.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
    struct End {
      Leaf& leaf;
      ~End() { leaf.collecting.store(false, std::memory_order_release); }
    } end{leaf};
    if (create_graph && g.requires_grad()) {
      if (!kept) kept = RefPtr<KeptRun>(new KeptRun);
      leaf.kept.push_back(kept);
    }
    const Tensor& so_far = leaf_grad(leaf);
    if (!so_far.defined())
      set_leaf_grad(leaf, std::move(g));
    else if (!create_graph && sole_owner(so_far) && kernel::can_accumulate(so_far, g))
      kernel::accumulate(so_far, g);
    else
      set_leaf_grad(leaf, add(so_far, g));
  }

  void step(Node& node, Tensor g) {
    if (node.is_leaf()) {
      if (collect_leaves) collect(static_cast<Leaf&>(node), std::move(g));
      return;
    }
    if (node.released) throw_released(node.name);
    const auto inputs = node.inputs;
    std::uint64_t need = 0;
    for (std::size_t i = 0; i < inputs.size() && i < 64; ++i)
      if (inputs[i] && is_useful(inputs[i].get())) need |= std::uint64_t{1} << i;
    if (need == 0 && inputs.size() <= 64) return;  // grad() asked for this node and nothing below
    const RunningNodeGuard current(&node);         // hooks and rules may run another backward
    Grads grads = node.backward(std::move(g), Need(need), retain_graph);
    if (grads.size() != inputs.size())
      fail<GraphError>(node.name, "gave ", grads.size(),
                       " gradients, expected one for each of its ", inputs.size(), " inputs");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i] || !grads[i].defined() || !is_useful(inputs[i].get())) continue;
      if (anomaly_enabled()) check_for_nan(to_text("gradient of ", node.name).c_str(), grads[i]);
      // Unless the graph is kept, the run takes it apart on the way. If nobody else holds a node,
      // the node is destroyed at once, while its memory is in the cache.
      give(retain_graph ? inputs[i] : std::move(inputs[i]), std::move(grads[i]));
    }
  }

  /// Calls found(node, gradient) for each node that is reached, once the node's gradient is
  /// complete.
  template <class Found>
  void run(Found found) {
    const GradModeGuard mode(create_graph);
    const FlushDenormals flush;
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end(), kEarlier);
      const RefPtr<Node> node = std::move(heap.back());
      heap.pop_back();
      Tensor g;
      if (owns(*node)) {
        g = release(*node);
      } else {
        auto* const mine = elsewhere(node.get());
        g = std::exchange(mine->second, Tensor());
        mine->first = nullptr;
      }
      run_hooks(*node, g);
      found(node.get(), g);
      step(*node, std::move(g));
    }
  }
};

namespace {

void start(Backward& run, std::span<const Tensor> outputs, std::span<const Tensor> grad_outputs) {
  if (!grad_outputs.empty() && grad_outputs.size() != outputs.size())
    fail<ValueError>(run.op, "got ", grad_outputs.size(), " gradients for ", outputs.size(),
                     " outputs, expected one for each");
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& y = outputs[i];
    check_view(y, run.op);
    if (!y.requires_grad())
      fail<GraphError>(
          run.op,
          "got a tensor without a history, expected one computed from a tensor that "
          "requires a gradient. Hint: call requires_grad_() on the parameters, and "
          "compute outside NoGradGuard; to differentiate a gradient, make it with create_graph");
    const Tensor g = i < grad_outputs.size() ? grad_outputs[i] : Tensor();
    if (!g.defined() && y.numel() != 1)
      fail<ShapeError>(
          "backward", "got an output of shape ", y.shape(),
          ", expected one element. Hint: reduce the loss with mean() or sum(), or pass "
          "a gradient of that shape");
    if (g.defined() && !(g.shape() == y.shape()))
      fail<ShapeError>(run.op, "got a gradient of shape ", g.shape(), " for an output of shape ",
                       y.shape(), ", expected equal shapes");
    if (!run.is_useful(node_of(y))) continue;  // leads to no wanted input
    const GradModeGuard mode(run.create_graph);
    run.give(RefPtr<Node>::share(node_of(y)), g.defined() ? g : ones_like(y));
  }
}

/// All nodes from which a node of `wanted` can be reached, and the nodes of `wanted` too, sorted by
/// address.
PoolVector<Node*> nodes_towards(const std::vector<Tensor>& outputs,
                                const std::vector<Node*>& wanted) {
  PoolVector<Node*> goals(wanted.begin(), wanted.end()), pending, useful;
  std::sort(goals.begin(), goals.end());
  const auto is_goal = [&](Node* node) {
    return std::binary_search(goals.begin(), goals.end(), node);
  };
  struct Marked {  // leaves are not marked: other threads may read them
    PoolVector<Node*> nodes;
    ~Marked() {
      for (Node* node : nodes) node->mark = Node::Mark::none;
    }
  } marked;
  const auto visit = [&](Node* node) {
    if (node && node->is_leaf() && is_goal(node)) useful.push_back(node);
    if (node && !node->is_leaf() && node->mark == Node::Mark::none) pending.push_back(node);
  };
  const Node* freed = nullptr;
  std::uint64_t lowest = std::numeric_limits<std::uint64_t>::max();  // of the orders of the goals
  for (const Node* goal : goals) lowest = std::min(lowest, goal->order);
  for (const Tensor& y : outputs) visit(node_of(y));
  while (!pending.empty()) {
    Node* node = pending.back();
    pending.pop_back();
    if (node->mark != Node::Mark::none) continue;
    marked.nodes.push_back(node);
    node->mark = Node::Mark::seen;
    if (node->order <= lowest) continue;  // no goal lies below
    if (node->released) freed = node;     // the inputs of this node are forgotten
    for (const auto& input : node->inputs) visit(input.get());
  }
  if (freed) throw_released(freed->name);
  std::sort(marked.nodes.begin(), marked.nodes.end(), kEarlier);  // a node comes after its inputs
  for (Node* node : marked.nodes) {
    bool leads = is_goal(node);
    for (const auto& input : node->inputs)
      leads =
          leads ||
          (input && (input->is_leaf() ? is_goal(input.get()) : input->mark == Node::Mark::useful));
    if (!leads) continue;
    node->mark = Node::Mark::useful;
    useful.push_back(node);
  }
  std::sort(useful.begin(), useful.end());
  useful.erase(std::unique(useful.begin(), useful.end()), useful.end());
  return useful;
}

}  // namespace
}  // namespace detail

void detail::run_backward(std::span<const Tensor> outputs, std::span<const Tensor> grad_outputs,
                          GradOptions options) {
  if (t_create_graph) {
    options.create_graph = true;
    options.retain_graph = true;
  }
  detail::Backward run("backward", options);
  detail::start(run, outputs, grad_outputs);
  run.run([](Node*, const Tensor&) {});
}

void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs,
              GradOptions options) {
  detail::run_backward(outputs, grad_outputs, options);
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs, GradOptions options) {
  std::vector<detail::Node*> wanted;
  for (const Tensor& x : inputs) {
    if (!x.requires_grad())
      fail<GraphError>("grad", "got an input of shape ", x.shape(),
                       " that does not require a gradient. Hint: call requires_grad_() before it "
                       "is used");
    wanted.push_back(detail::node_of(x));
  }
  detail::Backward run("grad", options);
  run.collect_leaves = false;
  run.useful = detail::nodes_towards(outputs, wanted);
  std::vector<Tensor> result(inputs.size());
  if (!run.useful.empty()) {
    detail::start(run, outputs, grad_outputs);
    run.run([&](detail::Node* node, Tensor& g) {
      for (std::size_t i = 0; i < wanted.size(); ++i)
        if (wanted[i] == node) result[i] = g;
    });
  }
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!result[i].defined() && !options.allow_unused)
      fail<GraphError>(
          "grad", "got input ", i, " of shape ", inputs[i].shape(),
          " that the outputs do not depend on. Hint: to differentiate a gradient, make it with "
          "create_graph; or set allow_unused to get an undefined gradient");
  return result;
}

std::string to_graphviz(const Tensor& t) {
  std::string s = "digraph descent {\n  rankdir = BT\n  node [fontname = \"sans-serif\"]\n";
  std::vector<detail::Node*> pending, seen;
  const auto id = [&](detail::Node* node) {
    const auto at = std::find(seen.begin(), seen.end(), node);
    if (at != seen.end()) return at - seen.begin();
    seen.push_back(node);
    pending.push_back(node);
    return static_cast<std::ptrdiff_t>(seen.size() - 1);
  };
  if (detail::Node* root = detail::node_of(t)) id(root);
  while (!pending.empty()) {
    detail::Node* node = pending.back();
    pending.pop_back();
    const auto own = id(node);
    s += to_text("  n", own, " [shape = ", node->is_leaf() ? "ellipse" : "box", ", label = \"",
                 node->name, " ", node->shape, "\"]\n");
    for (const auto& input : node->inputs)
      if (input) s += to_text("  n", id(input.get()), " -> n", own, "\n");
  }
  return s + "}\n";
}

}  // namespace descent
