"""secretsource"""
