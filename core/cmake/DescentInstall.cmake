# cmake --install: the library, the headers under include/descent/, find_package(descent) and pkg-config. The components
# are runtime (a shared library), development (headers and what compilers need) and program.
# cpack -G DEB in the build folder: a Debian package for each.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
get_target_property(descent_type descent TYPE)
string(COMPARE EQUAL ${descent_type} SHARED_LIBRARY DESCENT_SHARED)

install(TARGETS descent EXPORT descentTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
foreach(part core autograd nn optim data)
  install(DIRECTORY ${part}/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/descent/${part} COMPONENT development
    FILES_MATCHING PATTERN "*.h" PATTERN "*.inc")
endforeach()
install(FILES descent.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/descent COMPONENT development)

set(descent_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/descent)
install(EXPORT descentTargets NAMESPACE descent:: DESTINATION ${descent_cmake_dir} COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/descentConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/descentConfig.cmake
  INSTALL_DESTINATION ${descent_cmake_dir})
# Before 1.0, versions with another second number are not compatible.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/descentConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/descentConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/descentConfigVersion.cmake
  DESTINATION ${descent_cmake_dir} COMPONENT development)

# pkg-config. The paths may be absolute, or relative to the prefix, which is where the file is found.
file(RELATIVE_PATH DESCENT_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
set(DESCENT_PC_PREFIX "\${pcfiledir}/${DESCENT_PC_PREFIX}")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  set(DESCENT_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
endif()
foreach(dir INCLUDEDIR LIBDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
    set(DESCENT_PC_${dir} ${CMAKE_INSTALL_${dir}})
  else()
    set(DESCENT_PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  endif()
endforeach()
set(descent_needs "-ltbb -lspdlog -lfmt -lz -lopenblas -pthread")
if(DESCENT_SHARED)
  set(DESCENT_PC_LIBS_PRIVATE ${descent_needs})
else()
  set(DESCENT_PC_LIBS ${descent_needs})
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/descent.pc.in ${CMAKE_CURRENT_BINARY_DIR}/descent.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/descent.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME descent)
set(CPACK_PACKAGE_CONTACT "The authors of Descent <descent@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL development)
if(DESCENT_SHARED)
  list(APPEND CPACK_COMPONENTS_ALL runtime)
endif()
if(TARGET descent_program)
  list(APPEND CPACK_COMPONENTS_ALL program)
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libdescent${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libdescent-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "libopenblas-dev, libtbb-dev, libspdlog-dev, zlib1g-dev, nlohmann-json3-dev")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME descent)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION science)
if(DESCENT_SHARED)  # of the same build
  set(same "libdescent${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} (= ${PROJECT_VERSION})")
  string(APPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS ", ${same}")
  set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "${same}")
endif()
include(CPack)
