// Differentiation: backward through the graph in falling order of the nodes, without recursion.
#pragma once

#include <descent/autograd/grad_mode.h>
#include <descent/core/grad_options.h>
#include <descent/core/tensor.h>

#include <span>
#include <vector>

namespace descent {

/// The gradients of the outputs with respect to `inputs`: one tensor for each input, of its shape.
/// If there are several outputs, the gradients of all outputs are summed. The gradients that leaves
/// have collected stay unchanged. grad_outputs: d(loss)/d(output) for each output, of the output's
/// shape. If the list is empty, each output must have one element, and its d(loss)/d(output) is 1.
/// Throws GraphError for an input that does not require a gradient. Unless options.allow_unused is
/// true, throws GraphError for an input that the outputs do not depend on. Throws ShapeError or
/// ValueError if grad_outputs do not fit the outputs.
///
///   Tensor slope = grad({y}, {x}, {}, {.create_graph = true})[0];  // dy/dx
///   Tensor curvature = grad({slope}, {x})[0];                      // d²y/dx²
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs = {}, GradOptions options = {});

/// Adds the gradients to the gradients that leaves have collected. It is Tensor::backward() for
/// several outputs at once. grad_outputs and errors as in grad().
void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs = {},
              GradOptions options = {});

/// The number of nodes that are alive in the program. A node is a recorded operator or a leaf.
/// Tests use the number to find out whether something keeps a graph alive.
std::int64_t live_nodes() noexcept;

/// The graph behind t in the language of Graphviz. Operators are boxes with the shape of their
/// output, leaves are ellipses.
std::string to_graphviz(const Tensor& t);

namespace detail {
class Node;
/// backward() for a single tensor, without a vector around the tensor.
void run_backward(std::span<const Tensor> outputs, std::span<const Tensor> grad_outputs,
                  GradOptions options);
/// The node whose rule runs on this thread, or null.
const Node* current_node() noexcept;
}  // namespace detail

}  // namespace descent
