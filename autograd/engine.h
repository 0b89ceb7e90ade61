// Differentiation: backward through the graph in falling order of the nodes, without recursion.
#pragma once

#include <descent/autograd/grad_mode.h>
#include <descent/core/grad_options.h>
#include <descent/core/tensor.h>

#include <span>
#include <vector>

namespace descent {

/// The gradients of the outputs with respect to `inputs`: one tensor for each input, of its shape.
/// Of several outputs the gradients are summed. The gradients that leaves have collected stay as
/// they are. grad_outputs: d(loss)/d(output) for each output, of its shape. If the list is empty, 1
/// for each, and each output must have one element. Throws GraphError for an input that does not
/// require a gradient, or that the outputs do not depend on (unless options.allow_unused);
/// ShapeError and ValueError for grad_outputs that do not fit.
///
///   Tensor slope = grad({y}, {x}, {}, {.create_graph = true})[0];  // dy/dx
///   Tensor curvature = grad({slope}, {x})[0];                      // d²y/dx²
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs = {}, GradOptions options = {});

/// Adds the gradients to those that leaves have collected: Tensor::backward() for several outputs
/// at once. grad_outputs and errors as in grad().
void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs = {},
              GradOptions options = {});

/// Number of nodes, that is recorded operators and leaves, which are alive in the program. For
/// tests that nothing keeps a graph alive.
std::int64_t live_nodes() noexcept;

/// The graph behind t in the language of Graphviz. Operators are boxes with the shape of their
/// output, leaves are ellipses.
std::string to_graphviz(const Tensor& t);

namespace detail {
class Node;
/// backward(), without a vector around a single tensor.
void run_backward(std::span<const Tensor> outputs, std::span<const Tensor> grad_outputs,
                  GradOptions options);
/// The node whose rule runs on this thread, or null.
const Node* current_node() noexcept;
}  // namespace detail

}  // namespace descent
