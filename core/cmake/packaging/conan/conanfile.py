"""Conan 2: conan create core/cmake/packaging/conan. It builds the checkout that it lies in."""
import os

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy


class DescentConan(ConanFile):
    name = "descent"
    version = "0.2.0"
    description = "Reverse-mode autodiff and every optimizer of the field"
    license = "MIT"
    package_type = "library"
    settings = "os", "compiler", "build_type", "arch"
    options = {"shared": [True, False], "fPIC": [True, False]}
    default_options = {"shared": False, "fPIC": True}

    def export_sources(self):
        root = os.path.join(self.recipe_folder, *[os.pardir] * 4)
        for part in ("core", "autograd", "nn", "optim", "data"):
            copy(self, part + "/*", root, self.export_sources_folder)
        for file in ("CMakeLists.txt", "descent.h", "LICENSE"):
            copy(self, file, root, self.export_sources_folder)

    def requirements(self):
        for package in ("nlohmann_json/[>=3.10]", "onetbb/[>=2021]", "openblas/[>=0.3.20]",
                        "spdlog/[>=1.10]", "zlib/[>=1.2.11]"):
            self.requires(package)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        toolchain.variables["DESCENT_TESTS"] = False
        toolchain.variables["DESCENT_EXAMPLES"] = False
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        self.cpp_info.libs = ["descent"]
        self.cpp_info.set_property("cmake_target_name", "descent::descent")
