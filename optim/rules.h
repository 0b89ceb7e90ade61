// All built-in rules, in the order of tables. A new built-in rule needs a line here and no other
// line.
#pragma once

// clang-format off
#include <descent/optim/rules/sgd.h>
#include <descent/optim/rules/adagrad.h>
#include <descent/optim/rules/rmsprop.h>
#include <descent/optim/rules/adam.h>
#include <descent/optim/rules/amsgrad.h>
#include <descent/optim/rules/adamw.h>
#include <descent/optim/rules/adadelta.h>
#include <descent/optim/rules/adamax.h>
#include <descent/optim/rules/nadam.h>
#include <descent/optim/rules/radam.h>
#include <descent/optim/rules/rprop.h>
#include <descent/optim/rules/asgd.h>
#include <descent/optim/rules/lbfgs.h>
#include <descent/optim/rules/bfgs.h>
#include <descent/optim/rules/nonlinear_cg.h>
#include <descent/optim/rules/newton_cg.h>
#include <descent/optim/rules/levenberg_marquardt.h>
#include <descent/optim/rules/gauss_newton.h>
#include <descent/optim/rules/natural_gradient.h>
#include <descent/optim/rules/hessian_free.h>
#include <descent/optim/rules/lion.h>
#include <descent/optim/rules/muon.h>
#include <descent/optim/rules/schedule_free.h>
#include <descent/optim/rules/prodigy.h>
#include <descent/optim/rules/lamb.h>
#include <descent/optim/rules/lars.h>
#include <descent/optim/rules/adan.h>
#include <descent/optim/rules/adafactor.h>
#include <descent/optim/rules/soap.h>
#include <descent/optim/rules/shampoo.h>
#include <descent/optim/rules/sophia.h>
#include <descent/optim/rules/nadamw.h>
#include <descent/optim/rules/adopt.h>
#include <descent/optim/rules/ademamix.h>
#include <descent/optim/rules/polyak.h>
#include <descent/optim/rules/momo.h>
#include <descent/optim/rules/armijo_sgd.h>
#include <descent/optim/rules/dog.h>
#include <descent/optim/rules/dadapt_sgd.h>
#include <descent/optim/rules/dadapt_adam.h>
#include <descent/optim/rules/cmaes.h>
// clang-format on
