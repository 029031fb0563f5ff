"""Does everything sum to zero?"""
