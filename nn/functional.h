// A module as a function of its parameters: functional_call, stacked modules, gradients per sample.
//
//   auto loss_at = [&](const Tensor& w) {
//     return mse_loss(functional_call(model, {{"0.weight", w}}, x), y);
//   };
//   Tensor h = hessian(loss_at, model[0].parameters()[0].value);
//
// Legend: N samples, K modules, C outputs.
#pragma once

#include <descent/nn/module.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace descent::nn {

/// Tensors by the names of a module's parameters and buffers, as state_dict() has them.
using NamedTensors = std::map<std::string, Tensor>;

/// model(x), with these tensors in place of parameters and buffers of the same name. The output can
/// be differentiated by the tensors, which may have a history. Afterwards the module has its own
/// parameters again, also if forward() throws. Meanwhile no other thread may use the module. The
/// weights and biases of Linear layers may have a first dimension K more, as stack_modules() makes
/// it: then x is (in), (N, in), for all, or (K, N, in), and the output (K, C) or (K, N, C). The
/// other modules must work element by element or on the last dimension. A parameter that several
/// modules share is replaced in all of them by one name. Throws ValueError for an unknown name and
/// for a Flatten or a Softmax over another dimension between stacked layers, and ShapeError for
/// another shape.
Tensor functional_call(Module& model, const NamedTensors& tensors, const Tensor& x);

/// The parameters and buffers of K modules that are alike, copied and stacked along a new first
/// dimension: functional_call() of one of them then computes all K. As torch.func's
/// stack_module_state(), it gives leaves, which require a gradient if the first module's do. They
/// can be trained as the parameters of one module. The sum of the nets' losses trains each net as
/// alone, if the rule updates each element by itself, as Adam does and LAMB does not. Throws
/// ValueError for no modules, and StateError if modules, names, shapes or types differ.
///
///   auto all = nn::stack_modules({&a, &b, &c});             // "0.weight" is (3, 16, 2)
///   Tensor y = nn::functional_call(a, all, x);              // (N, 2) → (3, N, 1)
///   b.parameters()[0].value.copy_(all.at("0.weight")[1]);   // back again, under NoGradGuard
NamedTensors stack_modules(const std::vector<Module*>& modules);

/// The gradient of each sample's loss by each parameter that requires a gradient: (N, …) by name.
/// loss(output, y) gives one loss for each sample, (N), as `Reduction::none` does. If every
/// layer of a Sequential is a Linear layer or an activation, all samples are computed at once;
/// other modules compute one sample after the other. Throws ShapeError if loss gives another shape.
NamedTensors per_sample_grad(Module& model,
                             const std::function<Tensor(const Tensor&, const Tensor&)>& loss,
                             const Tensor& x, const Tensor& y);

}  // namespace descent::nn
