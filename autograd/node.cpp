#include <descent/autograd/engine.h>
#include <descent/autograd/node.h>
#include <descent/core/kernels/copy.h>
#include <descent/core/kernels/pointwise.h>
#include <descent/core/launch.h>
#include <descent/core/log.h>
#include <descent/core/text.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <utility>

namespace descent {
namespace detail {
namespace {

constinit NodeCount g_rest;  // of threads that end, or that could not get a count of their own
constinit std::atomic<NodeCount*> g_node_counts{&g_rest};

// Nodes without a reference wait here to be destroyed. A loop destroys these nodes one by one.
// Recursion through a chain of a million operators would overflow the stack.
constinit thread_local Node* t_disposed = nullptr;
constinit thread_local bool t_disposing = false;

}  // namespace

void count_first_nodes(std::int64_t n) noexcept {
  struct Own {
    Own() noexcept {
      NodeCount* count = g_node_counts.load();
      while (count && count->taken.exchange(true)) count = count->next;
      if (!count && (count = new (std::nothrow) NodeCount)) {  // never destroyed
        count->next = g_node_counts.load();
        while (!g_node_counts.compare_exchange_weak(count->next, count)) {
        }
      }
      t_node_count = count;
    }
    ~Own() {
      if (NodeCount* count = std::exchange(t_node_count, nullptr)) count->taken = false;
    }
  };
  thread_local const Own own;
  (t_node_count ? t_node_count : &g_rest)->live.fetch_add(n, std::memory_order_relaxed);
}

void Node::count_freed_inputs() {
  constexpr std::uint32_t kMany = 20;
  static std::atomic<bool> warned{false};
  std::uint32_t below = 0;
  for (const auto& input : inputs)
    if (input) {
      freed_inputs += input->released ? 1 : 0;
      below = std::max(below, input->freed_inputs);
    }
  freed_inputs += below;
  if (freed_inputs >= kMany && !warned.exchange(true))
    logging::warning(to_text(name, ": the result depends on ", freed_inputs,
                             " graphs that backward() has freed, and keeps the rest of each in "
                             "memory. Hint: add up loss.item() or loss.detach()"));
}

namespace {
std::atomic<std::int64_t> g_kept_runs{0};
}

KeptRun::KeptRun() {
  constexpr std::int64_t kMany = 100;
  static std::atomic<bool> warned{false};
  if (g_kept_runs + 1 >= kMany && !warned.exchange(true))
    logging::warning(to_text("backward: the gradients of leaves keep the graphs of ", kMany,
                             " runs with create_graph in memory. Hint: use grad(), or call "
                             "zero_grad() after each run"));
  ++g_kept_runs;
}
KeptRun::~KeptRun() { --g_kept_runs; }

void Node::dispose() noexcept {
  next_disposed_ = t_disposed;
  t_disposed = this;
  if (t_disposing) return;
  t_disposing = true;
  while (Node* node = t_disposed) {
    t_disposed = node->next_disposed_;
    node->destroy_self();
  }
  t_disposing = false;
}

namespace {

/// If a recording reads the gradient that a leaf had before the recording, a replay must find the
/// same tensor as the leaf's gradient. Adds this condition to the tape.
void rely_on_grad(const Leaf& leaf) {
  const auto node = RefPtr<GradEdge>::share(const_cast<Leaf*>(&leaf));
  if (!t_tape->first_touch(node)) return;
  t_tape->guard(
      [node, found = leaf.grad] { return static_cast<const Leaf&>(*node).grad.is_same(found); });
}

}  // namespace

void set_leaf_grad(Leaf& leaf, Tensor g) {
  if (!recording()) {
    leaf.grad = std::move(g);
    if (!leaf.grad.requires_grad()) leaf.kept.clear();
    return;
  }
  const auto node = RefPtr<GradEdge>::share(&leaf);
  t_tape->first_touch(node);
  perform([node, g = std::move(g)] {
    Tensor& grad = static_cast<Leaf&>(*node).grad;
    if (!grad.is_same(g)) grad = g;
  });
}

const Tensor& leaf_grad(const Leaf& leaf) {
  if (recording()) rely_on_grad(leaf);
  return leaf.grad;
}

Tensor alias(const Tensor& t) {
  Tensor a = kernel::view_of(t, t.shape(), t.strides(), 0);
  a.body().is_view = t.body().is_view;
  return a;
}

Tensor with_present_history(const Tensor& t) {
  const Node* const node = node_of(t);
  if (!grad_enabled() || !t.defined() || (node && node->is_leaf())) return t;
  return Tensor{RefPtr<Body>(Body::make(t.body()))};
}

void throw_released(const char* name) {
  fail<GraphError>(
      "backward", "got a graph that was freed at '", name,
      "', expected one not used before. Hint: pass {.retain_graph = true} to the first "
      "backward(), or compute the loss again");
}

void throw_stale_view(const char* name) {
  fail<GraphError>(name,
                   "got a view whose base was changed in place after the view was taken, expected "
                   "a view taken afterwards. Hint: take the view again, or change a clone()");
}

void Saved::check() const {
  if (tensor_.defined() && tensor_.version() != version_) {
    const Node* node = current_node();
    fail<GraphError>(node ? node->name : "backward", "needs a tensor of shape ", tensor_.shape(),
                     " at version ", version_, " for its gradient, got version ", tensor_.version(),
                     ": it was changed in place after the forward pass. Hint: use the operator "
                     "without the underscore, or change a clone()");
  }
}

void check_for_nan(const char* name, const Tensor& value) {
  if (!value.defined() || !is_floating(value.dtype())) return;
  const Tensor bad = kernel::ne(value, value);
  const std::vector<bool> flags = bad.to_vector<bool>();
  for (std::size_t i = 0; i < flags.size(); ++i)
    if (flags[i])
      fail<NonFiniteError>(
          name, "made a NaN in its value of shape ", value.shape(), " at element ", i,
          current_node() ? to_text(", in the gradient of '", current_node()->name, "'") : "",
          ", expected numbers. Hint: look at its inputs");
}

}  // namespace detail

std::int64_t live_nodes() noexcept {
  std::int64_t n = 0;
  for (auto* c = detail::g_node_counts.load(); c; c = c->next)
    n += c->live.load(std::memory_order_relaxed);
  return n;
}

}  // namespace descent
