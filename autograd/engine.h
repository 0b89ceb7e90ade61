// Differentiation: backward through the graph in falling order of the nodes, without recursion.
#pragma once

#include <descent/autograd/grad_mode.h>
#include <descent/core/grad_options.h>
#include <descent/core/tensor.h>

#include <span>
#include <vector>

namespace descent {

/// The gradients of the outputs' sum (weighted by grad_outputs; all ones when it is empty, and then
/// each output must have one element) with respect to `inputs`, in their order. The .grad of leaves
/// is left alone. Throws GraphError for an input that was not used, unless allowed.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs = {}, GradOptions options = {});

/// Adds the gradients to the .grad of every leaf: Tensor::backward for several outputs at once.
void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs = {},
              GradOptions options = {});

/// Nodes (recorded operators and leaves) alive in the program.
std::int64_t live_nodes() noexcept;

/// The graph behind t in Graphviz's language: operators as boxes with the shape of their output,
/// leaves as ellipses.
std::string to_graphviz(const Tensor& t);

namespace detail {
class Node;
void run_backward(std::span<const Tensor> outputs, std::span<const Tensor> grad_outputs,
                  GradOptions options);
/// The node whose rule runs on this thread, or null.
const Node* current_node() noexcept;
}  // namespace detail

}  // namespace descent
